"""A program that cannot start: `python crash.py FILE`, which gets a line at each attempt."""

import sys
from pathlib import Path

with Path(sys.argv[1]).open("a") as file:
    file.write("started\n")
sys.stdout.write("reading the configuration\n")
sys.stderr.write("warming up\nno database at db.shop:5432\n\n")
raise SystemExit(7)
