"""A program that answers, but ignores SIGTERM, and so does a child that has left its session."""

import os
import signal
import socket
import subprocess
import sys

SLEEPER = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('ignoring', flush=True); time.sleep(300)"
)

signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(
    [sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE, start_new_session=True
)
assert child.stdout
child.stdout.readline()
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
