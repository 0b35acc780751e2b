"""The tokens in a file, and what becomes of them when it changes."""

import pytest
from pydantic_settings import BaseSettings

from controller.settings import Settings as ControllerSettings
from extproc.settings import Settings as ExtprocSettings
from feed.tokens import HEADER, TokenError, Tokens

SETTING = "LAYBY_EXTPROC_FEED_TOKEN_FILE"
OLD, NEW = "an-old-token", "a-new-token"
SETTINGS: list[tuple[str, type[BaseSettings]]] = [
    ("LAYBY_EXTPROC_FEED_TOKEN_FILE", ExtprocSettings),
    ("LAYBY_CONTROLLER_FEED_TOKEN_FILE", ControllerSettings),
]


@pytest.fixture
def file(tmp_path):
    """A file with one token."""
    path = tmp_path / "token"
    path.write_text(f"{OLD}\n")
    return path


def accepted(tokens):
    """Which of the two is accepted."""
    return {token for token in (OLD, NEW) if tokens.accept([(HEADER, f"Bearer {token}")])}


@pytest.mark.parametrize(("name", "settings"), SETTINGS)
@pytest.mark.parametrize("value", [None, ""])
def test_without_a_file_none_is_asked_for(monkeypatch, name, settings, value):
    """As the manifests have it, which cannot have a secret in them."""
    if value is not None:
        monkeypatch.setenv(name, value)
    assert Tokens.given(settings().feed_token_file, name) is None


@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_a_file_that_is_named_has_to_be_there(monkeypatch, tmp_path, name, settings):
    """Whoever names one wants it asked for; the message is for whoever mounts it."""
    path = tmp_path / "token"
    monkeypatch.setenv(name, str(path))
    with pytest.raises(TokenError, match=f"^{name}: {path} cannot be read .No such file"):
        Tokens.given(settings().feed_token_file, name)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \n\r\n\n", "is empty"),
        (b"good\nbad one\n", "line 2"),
        ("gr\u00fcn\n".encode(), "line 1"),
        (b"nothing\0hidden", "line 1"),
    ],
)
def test_a_file_without_a_token_that_can_be_sent_is_an_error(file, content, said):
    """It is told before anything is served, and not what the file holds."""
    file.write_bytes(content)
    with pytest.raises(TokenError, match=said) as caught:
        Tokens(file, SETTING)
    assert str(caught.value).startswith(f"{SETTING}: {file} ")
    assert "bad one" not in str(caught.value)


def test_a_file_that_may_not_be_read_is_an_error(tmp_path):
    """As is a folder, which is what a volume is without its file's name."""
    with pytest.raises(TokenError, match="Is a directory"):
        Tokens(tmp_path, SETTING)


def test_the_first_line_is_shown_and_every_line_is_taken(file):
    """That is what makes a change without a gap possible; whoever edits files has CRLF in some."""
    file.write_text(f"\n {NEW} \r\n{OLD}")
    tokens = Tokens(file, SETTING)
    assert ((HEADER, f"Bearer {NEW}"),) == tokens.metadata()
    assert {OLD, NEW} == accepted(tokens)
    assert tokens.accept(tokens.metadata())


@pytest.mark.parametrize(
    "metadata",
    [
        [],
        [("user-agent", f"Bearer {OLD}")],
        [(HEADER, OLD)],
        [(HEADER, "Bearer ")],
        [(HEADER, f"Bearer {OLD[:-1]}")],
        [(HEADER, f"Bearer {OLD}\n{NEW}")],
        [(HEADER, f"Basic {OLD}")],
        [(HEADER, b"Bearer \xff")],
        [(HEADER, "Bearer \udcff")],
    ],
)
def test_whoever_shows_something_else_is_not_taken(file, metadata):
    """Not even what is nearly right."""
    file.write_text(f"{OLD}\n{NEW}\n")
    assert not Tokens(file, SETTING).accept(metadata)


def test_a_token_is_changed_in_three_steps_with_nobody_refused(file, tmp_path):
    """Files come to different pods at different times."""
    other = tmp_path / "other"
    other.write_text(file.read_text())
    one, two = Tokens(file, SETTING), Tokens(other, SETTING)
    for step in (f"{OLD}\n{NEW}\n", f"{NEW}\n{OLD}\n", f"{NEW}\n"):
        for path in (file, other):
            path.write_text(step)
            assert one.accept(two.metadata())
            assert two.accept(one.metadata())
    assert {NEW} == accepted(one) == accepted(two)


def test_a_file_that_becomes_unreadable_changes_nothing_and_is_told_once(file, caplog):
    """A volume may be gone for a moment, and the demand must not be unknown for that."""
    caplog.set_level("INFO", "feed.tokens")
    tokens = Tokens(file, SETTING)
    file.unlink()
    for _ in range(3):
        assert {OLD} == accepted(tokens)
        assert ((HEADER, f"Bearer {OLD}"),) == tokens.metadata()
    [told] = caplog.messages
    assert f"keeping the tokens there were: {SETTING}: {file} cannot be read" in told
    file.write_text("")
    assert {OLD} == accepted(tokens)
    assert "is empty" in caplog.messages[-1]
    file.write_text(NEW)
    assert {NEW} == accepted(tokens)
    file.unlink()
    assert {NEW} == accepted(tokens)
    assert 4 == len(caplog.messages), "a trouble that comes again is another one"
    assert not [text for text in (*caplog.messages, repr(tokens)) if OLD in text or NEW in text]
