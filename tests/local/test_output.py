"""A workload's output, cut into lines of bounded length."""

import asyncio

import pytest

from local.output import LONGEST_LINE, LineBuffer, Output, Stream


class Heard:
    """Collects what an output forwards."""

    def __init__(self) -> None:
        self.lines: list[tuple[Stream, str]] = []
        self.ends = 0

    def line(self, stream: Stream, text: str) -> None:
        """Take a line."""
        self.lines.append((stream, text))

    def end(self) -> None:
        """Take the end."""
        self.ends += 1


@pytest.fixture
def heard() -> Heard:
    """Return who listens to `output`."""
    return Heard()


@pytest.fixture
async def output(heard: Heard) -> Output:
    """Return the output of a process that the tests play."""
    return Output(heard.line, heard.end)


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([b"one\ntwo\n"], ["one", "two"]),
        ([b"o", b"ne\nt", b"wo", b"\n"], ["one", "two"]),
        ([b"one\r\n", b"\r\n"], ["one", ""]),
        ([b"no end"], ["no end"]),
        ([b""], []),
        ([b"\n\n"], ["", ""]),
        ([b"\xc3", b"\xa9\n"], ["é"]),
        ([b"\xff\n"], ["\ufffd"]),
        ([b"x" * LONGEST_LINE + b"\n"], ["x" * LONGEST_LINE]),
        ([b"x" * LONGEST_LINE + b"y\nz\n"], ["x" * LONGEST_LINE + "...", "z"]),
        ([b"x" * LONGEST_LINE] * 5 + [b"\nz"], ["x" * LONGEST_LINE + "...", "z"]),
    ],
)
def test_lines_are_cut_wherever_the_pieces_end(pieces: list[bytes], expected: list[str]):
    """A pipe knows no lines, and a line without an end must not fill the memory."""
    buffer = LineBuffer()

    lines = [line for piece in pieces for line in buffer.feed(piece)]

    assert expected == lines + buffer.flush()


async def test_last_words_are_those_of_standard_error(output: Output):
    """That is where programs say why they end."""
    output.pipe_data_received(1, b"listening\n")
    output.pipe_data_received(2, b"Traceback\nOSError: no such host\n\n  \n")
    output.pipe_data_received(1, b"bye\n")

    assert output.last_words() == "OSError: no such host"
    assert output.tail(Stream.STDOUT) == ("listening", "bye")


async def test_last_words_are_those_of_standard_output_if_there_are_no_others(output: Output):
    """Many programs log to standard output only."""
    output.pipe_data_received(1, b"fatal: no license\n")

    assert output.last_words() == "fatal: no license"


async def test_last_words_fit_in_a_header(output: Output):
    """They are sent to whoever asked for the workload, and shown in a table."""
    output.pipe_data_received(2, b"\x1b[31;1mbad\tthing\x07\x1b[0m " + b"x" * 1000 + b"\n")

    words = output.last_words()

    assert words.startswith("bad thing  xxx")
    assert words.isprintable()
    assert len(words) <= 303


async def test_only_the_last_lines_are_kept(output: Output, heard: Heard):
    """A chatty workload must not fill the memory; the sink gets every line."""
    output.pipe_data_received(2, b"".join(b"%d\n" % number for number in range(50)))

    assert tuple(str(number) for number in range(30, 50)) == output.tail(Stream.STDERR)
    assert [(Stream.STDERR, str(number)) for number in range(50)] == heard.lines


async def test_end_waits_for_the_last_words(output: Output, heard: Heard):
    """The exit is often seen before the pipes are read to their end."""
    output.process_exited()
    assert not output.exited.is_set()

    output.pipe_data_received(2, b"why")
    output.pipe_connection_lost(1, None)
    output.pipe_connection_lost(2, None)

    assert output.exited.is_set()
    assert output.last_words() == "why"
    assert heard.ends == 1


async def test_end_does_not_wait_for_a_child_that_keeps_the_pipes(output: Output, heard: Heard):
    """A failed start is told at once, though a daemon may hold standard error for ever."""
    output.pipe_connection_lost(1, None)
    output.process_exited()

    async with asyncio.timeout(2):
        await output.exited.wait()
    output.pipe_connection_lost(2, None)

    assert heard.ends == 1
