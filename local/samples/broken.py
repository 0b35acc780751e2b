"""A program that cannot start: it says why on standard error and gives up."""

import sys

sys.stderr.write("broken: cannot read /etc/broken/secret.yaml: no such file\n")
raise SystemExit(3)
