"""What the guard's program hunts for, and what it leaves alone."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from local.reaper import Group, Hunt, Stat, listen, processes, remove_scratch, stat

SLEEP = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""


def known(pid: int) -> Stat:
    """Look at a process that is there."""
    process = stat(pid)
    assert process is not None
    return process


def test_group_whose_number_was_given_away_is_left_alone():
    """A leader with another start time is another group."""
    with subprocess.Popen(SLEEP, start_new_session=True) as other:
        leader = known(other.pid)
        group = Group(other.pid, leader.started - 1)

        assert Hunt([group], "NO=marker").run(0)
        assert not group.is_alive()
        assert known(other.pid).alive
        other.kill()


def test_without_proc_groups_are_ended_politely_then_killed():
    """There is no /proc on macOS: the groups are all that is known."""
    command = [sys.executable, "-S", "-c", STUBBORN]
    with (
        subprocess.Popen(SLEEP, start_new_session=True) as polite,
        subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE) as stubborn,
    ):
        assert stubborn.stdout is not None
        stubborn.stdout.readline()
        groups = [Group.led_by(polite.pid), Group.led_by(stubborn.pid)]

        assert Hunt(groups, "NO=marker", by_process=False).run(0.05)
        assert -signal.SIGTERM == polite.wait(1)
        assert -signal.SIGKILL == stubborn.wait(1)


def test_hunt_never_finds_itself():
    """It may be below the processes that it looks for."""
    parent = known(os.getppid())
    environment = Path(f"/proc/{parent.pid}/environ").read_bytes()

    looked = Hunt([], environment.split(b"\0")[0].decode()).look()
    found = {each.pid for each in looked if isinstance(each, Stat)}

    assert parent.pid in found
    assert os.getpid() not in found


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], set()),
        ([b"+7 100\n"], {Group(7, 100)}),
        ([b"+7\n"], {Group(7, None)}),
        ([b"+7 100\n", b"+8 200\n", b"-7\n"], {Group(8, 200)}),
        ([b"-7\n"], set()),
        ([b"+7 100\n", b"+7 300\n"], {Group(7, 300)}),
        ([b"+7 100\n", b"+8 2x"], {Group(7, 100)}),
        ([b"\n", b"+\n", b"hello\n"], set()),
        ([b"+0\n", b"+1\n", b"+-5\n"], set()),
    ],
)
def test_reaper_follows_what_it_is_told(lines: list[bytes], expected: set[Group]):
    """A line may be cut short by layby's death; 0 and 1 would mean everybody."""
    assert expected == listen(lines)


def test_scratch_folder_is_removed_with_its_files(tmp_path: Path):
    """It would stay in /tmp after each sudden end."""
    folder = tmp_path / "layby-1234"
    folder.mkdir()
    (folder / "envoy.json").write_text("{}")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "a.sock"))

    remove_scratch(str(folder))
    remove_scratch(str(folder))

    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["shop", "layby", "layby-link", "layby-nested"])
def test_any_other_folder_stays(tmp_path: Path, name: str):
    """Whatever a mistake makes of the path, nobody's files are lost."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "layby").mkdir()
    (tmp_path / "layby-link").symlink_to(tmp_path / "shop")
    (tmp_path / "layby-nested").mkdir()
    below = tmp_path / name / "below"
    below.mkdir()
    (below / "precious").touch()

    remove_scratch(str(tmp_path / name))

    assert (below / "precious").exists()


def test_process_name_cannot_confuse_the_reaper(tmp_path: Path):
    """The name in /proc/PID/stat may hold brackets, blanks and digits."""
    program = tmp_path / "a) R 1 (1"
    program.symlink_to(sys.executable)
    with subprocess.Popen([str(program), *SLEEP[1:]], start_new_session=True) as odd:
        assert os.getpid() == known(odd.pid).parent
        assert odd.pid == known(odd.pid).group
        assert odd.pid in {process.pid for process in processes()}
        odd.kill()
