"""What `layby.yaml` may say: the workloads, their routes, and how each is held, woken and put to sleep.

Owns every field, its bounds and its default. Must not know YAML, files' lines or how a process
is run.
"""

BASE = "base"  # the key of the validation context that holds the configuration file's folder
CONFLICT = "conflict"  # the type of an error between fields, each of which is fine by itself
RESERVED_ENVIRONMENT = ("PORT", "LAYBY_RUN")

type_Loc = tuple[str | int, ...]
