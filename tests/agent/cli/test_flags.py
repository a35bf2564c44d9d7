"""Claims about Go's flag rules. Source: https://pkg.go.dev/flag."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cli.failure import Failure
from agent.cli.flags import Flag, HelpRequested, Kind, parse
from agent.cli.table import COMMANDS

FLAGS = (
    Flag("name", "", default="x"),
    Flag("tag", "", Kind.TEXTS),
    Flag("on", "", Kind.SWITCH),
    Flag("n", "", Kind.COUNT, "1"),
    Flag("wait", "", Kind.DURATION, "2s"),
)


@pytest.mark.parametrize("argv", [["-name=v"], ["--name=v"], ["-name", "v"], ["--name", "v"]])
def test_one_and_two_dashes_and_both_value_forms_mean_the_same(argv):
    assert parse(FLAGS, argv).values["name"] == "v"


def test_defaults_are_converted_and_not_given():
    parsed = parse(FLAGS, [])

    assert parsed.values == {"name": "x", "tag": (), "on": False, "n": 1, "wait": 2 * 10**9}
    assert parsed.given == frozenset()


@pytest.mark.parametrize(
    ("text", "expected"), [("", True), ("=true", True), ("=T", True), ("=0", False), ("=F", False)]
)
def test_switch_takes_its_value_only_after_equals(text, expected):
    parsed = parse(FLAGS, [f"-on{text}", "false"])

    assert parsed.values["on"] is expected
    assert parsed.arguments == ("false",)


def test_first_argument_that_is_no_flag_ends_the_flags():
    parsed = parse(FLAGS, ["-on", "k", "-name=v"])

    assert parsed.arguments == ("k", "-name=v")


def test_double_dash_ends_the_flags_and_single_dash_is_an_argument():
    assert parse(FLAGS, ["--", "-5"]).arguments == ("-5",)
    assert parse(FLAGS, ["-", "-on"]).arguments == ("-", "-on")


def test_repeated_list_flag_adds_and_other_flags_keep_the_last():
    parsed = parse(FLAGS, ["-tag=a", "-tag", "b", "-name=1", "-name=2"])

    assert parsed.values["tag"] == ("a", "b")
    assert parsed.values["name"] == "2"


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["-zz"], "flag provided but not defined: -zz"),
        (["---x"], "bad flag syntax: ---x"),
        (["-=x"], "bad flag syntax: -=x"),
        (["-name"], "flag needs an argument: -name"),
        (["-on=maybe"], 'invalid boolean value "maybe" for -on: parse error'),
        (["-n=x"], 'invalid value "x" for flag -n: must be a whole number from 0 to'),
        (["-n=-1"], 'invalid value "-1" for flag -n: must be a whole number from 0 to'),
        (["-wait=5"], 'invalid value "5" for flag -wait: time: missing unit in duration "5"'),
    ],
)
def test_bad_flags_are_named_with_what_is_allowed(argv, text):
    with pytest.raises(Failure) as caught:
        parse(FLAGS, argv)

    assert str(caught.value).startswith(text)


@pytest.mark.parametrize("argument", ["-h", "-help", "--help"])
def test_help_is_a_flag_of_every_command(argument):
    with pytest.raises(HelpRequested):
        parse(FLAGS, [argument])


@given(st.lists(st.text()))
def test_any_arguments_are_parsed_or_refused(argv):
    for flags in (FLAGS, COMMANDS[0].all_flags()):
        try:
            parsed = parse(flags, argv)
        except (Failure, HelpRequested):
            continue
        count = len(parsed.arguments)
        assert parsed.arguments == tuple(argv[len(argv) - count :])


@given(st.text(), st.lists(st.text()), st.integers(0, 2**64 - 1), st.lists(st.text()))
def test_written_values_are_read_back(name, tags, number, arguments):
    argv = [f"-name={name}", *(f"--tag={tag}" for tag in tags), "-n", str(number), "--"]

    parsed = parse(FLAGS, [*argv, *arguments])

    assert parsed.values["name"] == name
    assert parsed.values["tag"] == tuple(tags)
    assert parsed.values["n"] == number
    assert parsed.arguments == tuple(arguments)
