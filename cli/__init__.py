"""The `layby` command: one module per subcommand, each a thin composition of the packages below.

Owns the version, exit codes and what a person reads. Must not know how anything works.
"""

__version__ = "0.1.0"
