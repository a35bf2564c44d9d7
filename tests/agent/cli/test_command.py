"""Claims about a call's flags and arguments."""

import pytest

from agent.cli.command import Call, Command
from agent.cli.failure import Failure
from agent.cli.flags import Flag, Kind, parse

COMMAND = Command("x", "G", "Do x", "x:x", flags=(Flag("meta", "", Kind.TEXTS),), http=False)


def call(*argv):
    return Call(COMMAND, parse(COMMAND.all_flags(), argv))


def test_pairs_are_split_at_the_first_equals_sign():
    assert call("-meta=a=b=c", "-meta=d=").key_values("meta") == {"a": "b=c", "d": ""}


@pytest.mark.parametrize("pair", ["a", "=b", ""])
def test_what_is_no_pair_is_refused_by_flag_name(pair):
    with pytest.raises(Failure, match="for flag -meta: must be key=value"):
        call(f"-meta={pair}").key_values("meta")


def test_argument_counts_are_checked():
    call("a").expect_arguments(1, 1, "")
    call("a", "b").expect_arguments(1, None, "")
    with pytest.raises(Failure, match=r"^missing$"):
        call().expect_arguments(1, 1, "missing")
    with pytest.raises(Failure, match=r"expected 1, got 2"):
        call("a", "b").expect_arguments(1, 1, "")


def test_connection_and_server_flags_are_declared_once_each():
    both = Command("y", "G", "Do y", "y:y", server=True)

    names = [flag.name for flag in both.all_flags()]
    assert len(names) == len(set(names))
    assert {"http-addr", "datacenter"} <= set(names)
    assert [flag.name for flag in COMMAND.all_flags()] == ["meta"]
