"""A program that listens, and then finds that it cannot go on."""

import os
import socket
import sys

listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
listener.accept()
sys.stderr.write("the schema is too old\n")
raise SystemExit(9)
