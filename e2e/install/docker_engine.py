"""A Docker engine of the tests' own, and base images for it that no registry has to give.

Owns what the engine leaves mounted. Must not know what is built.
"""

import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from e2e.stack.processes import until
from e2e.stack.releases import cache

SOCKET = "/var/run/docker.sock"
RELEASE = "trixie"
"""Of Debian: with the Python that the Dockerfile's own bases have."""
# A system with a Python and nothing to run but it: no shell, no package manager.
RUN_FOLDERS = (
    *("lib", "lib64", "usr/lib64", "usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu"),
    *("usr/lib/python3", "usr/lib/python3.13", "usr/bin/python3", "usr/bin/python3.13"),
    *("etc/ld.so.cache", "etc/ld.so.conf", "etc/ld.so.conf.d", "etc/nsswitch.conf"),
    *("etc/passwd", "etc/group", "etc/ssl/certs", "tmp"),
)
BUILD_LEFT_OUT = ("var/cache", "var/lib/apt/lists", "usr/share/doc", "usr/share/man")
WITHIN = 60.0


def accepts(address):
    """Whether somebody listens. The Docker client leaves its socket open when there is nobody."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(address)) == 0


@contextmanager
def own_engine():
    """A Docker engine with a folder of its own, which leaves the machine's network alone."""
    # Not pytest's, which keeps what is large and trips over what is mounted; and the path of a
    # socket may have 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="layby-docker-"))
    log, address = folder / "log", folder / "socket"
    command = [
        *("dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none"),
        *("--data-root", folder / "data", "--exec-root", folder / "exec"),
        *("--pidfile", folder / "pid", "--host", f"unix://{address}"),
    ]
    with log.open("w") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        until(lambda: accepts(address) or process.poll() is not None, WITHIN)
        if not accepts(address):
            pytest.skip(f"dockerd does not run here: {log.read_text()[-500:]}")
        yield address
    finally:
        process.terminate()
        process.wait(WITHIN)
        # What it leaves mounted: the machine's network, and its folder on itself.
        for mounted in (folder / "exec" / "netns" / "default", folder / "data"):
            subprocess.run(["umount", mounted], capture_output=True, check=False)
        shutil.rmtree(folder)


def make_system(kept):
    """Make a small Debian, and of it the file systems of both images."""
    folder = cache() / f"base-{RELEASE}.part"
    shutil.rmtree(folder, ignore_errors=True)
    include = "python3,python3-venv,ca-certificates"
    command = ["debootstrap", "--variant=minbase", f"--include={include}", RELEASE, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stdout[-2000:]
    # Whom this machine trusts, the build has to trust.
    trusted = Path("etc/ssl/certs/ca-certificates.crt")
    shutil.copyfile("/" / trusted, folder / trusted)
    pack(folder, kept["build"], ["."], BUILD_LEFT_OUT)
    pack(folder, kept["run"], [p for p in RUN_FOLDERS if (folder / p).exists()], ("ensurepip",))
    shutil.rmtree(folder)


def pack(folder, path, members, left_out):
    part = path.with_suffix(".part")
    excluded = [f"--exclude=*{each}/*" for each in left_out]
    subprocess.run(["tar", "-C", folder, *excluded, "-cf", part, *members], check=True)
    part.replace(path)
