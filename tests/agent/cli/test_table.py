"""Claims about the command table."""

import pytest

from agent.cli.table import COMMANDS, below, find


def test_longest_words_win_and_the_rest_are_arguments():
    found = find(["kv", "get", "kv", "put"])

    assert found is not None
    assert (found[0].words, found[1]) == ("kv get", ["kv", "put"])
    assert find(["kv"]) is None
    assert find([]) is None


def test_family_holds_what_begins_with_its_words():
    assert len(below("operator raft")) == 3
    assert below("kv get") == ()
    assert below("") == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_rows_are_whole(command):
    names = [flag.name for flag in command.all_flags()]

    assert len(names) == len(set(names))
    assert all(flag.doc.endswith(".") for flag in command.all_flags())
    assert not command.summary.endswith(".")


def test_no_two_rows_have_the_same_words():
    words = [command.words for command in COMMANDS]

    assert len(words) == len(set(words))
