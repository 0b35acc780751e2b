"""What is logged, and how."""

import asyncio
import contextlib
import io
import json
import logging
import os
import signal

import pytest

from telemetry.logs import ConsoleFormatter, JsonFormatter, Verbosity, set_up, trace_ids


def record(message="woke %s", *arguments, **more):
    made = logging.LogRecord("telemetry", logging.INFO, "x.py", 1, message, arguments, None)
    made.created = 1_800_000_000.25
    for name, value in more.items():
        setattr(made, name, value)
    return made


@pytest.fixture
def written(monkeypatch):
    """Set up and log; return what was written to standard error."""
    root = logging.getLogger()

    def log(form, *said):
        monkeypatch.setattr(root, "handlers", [])
        monkeypatch.setattr(root, "level", root.level)
        set_up("info", form)
        later = io.StringIO()
        with contextlib.redirect_stderr(later):
            for level, *words in said:
                logging.getLogger("telemetry").log(level, *words)
        return later.getvalue()

    return log


def test_json_lines_have_opentelemetrys_names_for_trace_ids():
    """So that a collector finds them without being told."""
    line = JsonFormatter().format(record("woke %s", "cart", **trace_ids(0xAB, 0xCD)))
    assert json.loads(line) == {
        "time": "2027-01-15T08:00:00.250Z",
        "level": "info",
        "logger": "telemetry",
        "message": "woke cart",
        "trace_id": f"{0xAB:032x}",
        "span_id": f"{0xCD:016x}",
    }


def test_json_is_one_line_whatever_is_said():
    """A log is read by lines."""
    line = JsonFormatter().format(record('exit code 1:\n\tno "such" file ü', strange=object))
    assert "\n" not in line
    assert json.loads(line)["message"] == 'exit code 1:\n\tno "such" file ü'


def test_json_has_the_traceback():
    error = ValueError("oops")
    made = record(exc_info=(ValueError, error, None), stack_info="Stack: x")
    line = json.loads(JsonFormatter().format(made))
    assert line["exception"] == "ValueError: oops"
    assert line["stack"] == "Stack: x"


def test_console_lines_end_with_the_trace():
    line = ConsoleFormatter().format(record("woke %s", "cart", **trace_ids(0xAB, 0xCD)))
    assert line.endswith(f" INFO    woke cart trace_id={0xAB:032x} span_id={0xCD:016x}")


def test_without_a_trace_there_are_no_ids():
    assert {} == trace_ids(0, 0)
    assert ConsoleFormatter().format(record("woke %s", "cart")).endswith(" INFO    woke cart")


@pytest.mark.parametrize(("form", "start"), [("json", '{"time"'), ("console", "20")])
def test_it_is_written_to_standard_error_as_it_is_now(written, form, start):
    """A live table takes its place later."""
    lines = written(form, (logging.INFO, "here"), (logging.DEBUG, "not here"))
    assert lines.startswith(start)
    assert lines.count("\n") == 1


def test_a_record_that_cannot_be_written_does_no_harm(written):
    assert "--- Logging error ---" in written("json", (logging.INFO, "%d", "no number"))


async def test_signals_change_the_level_while_it_runs(eventually):
    """Nobody restarts what has just begun to misbehave."""
    loop, logger = asyncio.get_running_loop(), logging.getLogger("here")
    logger.setLevel(logging.INFO)
    Verbosity(logger).listen(loop)
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
        await eventually(lambda: logger.level == logging.DEBUG)
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR2)
        await eventually(lambda: logger.level == logging.INFO)
    finally:
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            loop.remove_signal_handler(number)


def test_the_root_logger_is_meant_unless_another_is_given(monkeypatch):
    root = logging.getLogger()
    monkeypatch.setattr(root, "level", logging.WARNING)
    verbosity = Verbosity()
    verbosity.debug()
    assert logging.DEBUG == root.level
    verbosity.usual()
    assert logging.WARNING == root.level
