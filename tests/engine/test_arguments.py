"""The command line alone: what it takes, and how it refuses."""

from __future__ import annotations

import pytest

from sandbox.engine.arguments import parse
from sandbox.engine.errors import EngineError


def test_options_may_stand_anywhere() -> None:
    a = parse(["--stack", "dev", "config", "--non-interactive", "set", "k", "-v=3", "--secret", "--", "-value"])
    assert (a.command, a.positional) == ("config set", ["k", "-value"])
    assert (a.get("--stack"), a.has("--secret"), a.has("--path")) == ("dev", True, False)


def test_an_option_given_twice_keeps_its_order_and_counts_last() -> None:
    a = parse(["config", "set-all", "--plaintext", "a=1", "--secret=b=2", "--plaintext", "c="])
    assert a.options == [("--plaintext", "a=1"), ("--secret", "b=2"), ("--plaintext", "c=")]
    assert parse(["up", "--refresh", "--refresh=false"]).has("--refresh") is False
    assert parse(["pre", "-m", ""]).get("--message") == ""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("up --target u", "option --target: not supported by the embedded engine"),
        ("up --nonsense", "option --nonsense: not supported by the embedded engine"),
        ("up --message", "flag needs an argument: --message"),
        ("preview extra", "`pulumi preview` takes 0 argument(s), not 'extra'"),
        ("config get a b", "`pulumi config get` takes 1 argument(s), not 'a b'"),
        ("upp", "command `pulumi upp`: not supported"),
        ("stack rename x", "command `pulumi stack rename`: not supported"),
        ("config refresh", "command `pulumi config refresh`: not supported"),
        ("--stack dev", "a command is expected"),
    ],
)
def test_what_is_not_understood_is_said(line: str, message: str) -> None:
    with pytest.raises(EngineError) as e:
        parse(line.split())
    assert str(e.value).startswith(message)


def test_a_count_is_a_number() -> None:
    with pytest.raises(EngineError, match=r"^--parallel: 'x' is not a number$"):
        parse(["up", "--parallel", "x"]).number("--parallel", 16)
    assert parse(["up", "-p", "0"]).number("--parallel", 16) == 1
