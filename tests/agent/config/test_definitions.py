import pytest

from agent.config.definitions import check_definition, definition_name
from agent.config.tree import ConfigError


def test_name_is_found_in_both_spellings():
    assert (
        definition_name({"name": "a"}),
        definition_name({"Name": "b"}),
        definition_name({}),
    ) == ("a", "b", "")


@pytest.mark.parametrize(
    "watch",
    [
        {"type": "key", "key": "k", "args": ["a"]},
        {"type": "service", "service": "web", "handler": "a"},
        {"type": "nodes", "handler_type": "http", "http_handler_config": {"path": "http://x"}},
    ],
)
def test_whole_watch_passes(watch):
    check_definition(watch, "watches[0]", None)


@pytest.mark.parametrize(
    ("watch", "reason"),
    [
        ({}, "watches[0].type: must be one of"),
        ({"type": "key"}, "watches[0].args: must name the command"),
        ({"type": "key", "args": ["a"], "handler": "b"}, "watches[0].args: excludes handler"),
        ({"type": "key", "handler_type": "x"}, "handler_type: must be script or http"),
        ({"type": "key", "handler_type": "http"}, "must name the path"),
    ],
)
def test_partial_watch_is_refused(watch, reason):
    with pytest.raises(ConfigError) as caught:
        check_definition(watch, "watches[0]", None)

    assert reason in str(caught.value)
