"""Watches as the configuration writes them."""

import pytest

from agent.config.tree import ConfigError
from agent.rpc.endpoints.health import ChecksInState, HealthServiceNodes, ServiceChecks
from agent.rpc.endpoints.kv import KvGet, KvList
from agent.rpc.request import Consistency
from agent.watches.definition import Events, Http, Query, Script, watches_of
from catalog.duration import SECOND

ARGS = {"args": ["cat", "-n"]}


def only(**fields):
    (watch,) = watches_of([{**ARGS, **fields}])
    return watch


def test_a_key_is_followed_with_its_options():
    watch = only(type="key", key="a/b", token="t", datacenter="dc2", stale=True)

    assert watch.source == Query(
        request=KvGet(key="a/b", token="t", datacenter="dc2", consistency=Consistency.STALE)
    )
    assert watch.handler == Script(arguments=("cat", "-n"))


@pytest.mark.parametrize(
    ("fields", "source"),
    [
        ({"type": "keyprefix", "prefix": "a/"}, Query(request=KvList(prefix="a/"))),
        (
            {"type": "service", "service": "web", "tag": "a", "passingonly": "true"},
            Query(request=HealthServiceNodes(service="web", tags=("a",)), passing_only=True),
        ),
        ({"type": "checks"}, Query(request=ChecksInState(state="any"))),
        ({"type": "checks", "service": "web"}, Query(request=ServiceChecks(service="web"))),
        ({"type": "event", "name": "deploy"}, Events(name="deploy")),
    ],
)
def test_each_type_follows_its_read(fields, source):
    assert only(**fields).source == source


def test_a_command_line_runs_in_a_shell():
    (watch,) = watches_of([{"type": "nodes", "handler": "a | b"}])

    assert watch.handler == Script(arguments=("/bin/sh", "-c", "a | b"))


def test_an_http_handler_keeps_every_header_value():
    target = {
        "path": "https://x/y",
        "method": "PUT",
        "header": {"X-A": ["1", "2"], "X-B": "3"},
        "timeout": "3s",
        "tls_skip_verify": True,
    }
    (watch,) = watches_of(
        [{"type": "nodes", "handler_type": "http", "http_handler_config": target}]
    )

    assert watch.handler == Http(
        url="https://x/y",
        method="PUT",
        headers=(("X-A", "1"), ("X-A", "2"), ("X-B", "3")),
        timeout_ns=3 * SECOND,
        tls_skip_verify=True,
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"type": "key"}, "watches[1].key: must be set"),
        ({"type": "key", "key": 3}, "watches[1].key: must be a string"),
        ({"type": "keyprefix"}, "watches[1].prefix: must be set"),
        ({"type": "service"}, "watches[1].service: must be set"),
        ({"type": "nodes", "key": "a"}, "watches[1].key: unknown here; known are type"),
        ({"type": "checks", "service": "a", "state": "b"}, "watches[1].state: excludes service"),
        ({"type": "agent_service"}, "watches[1].type: must be one of key, keyprefix"),
        ({"type": "nodes", "handler_type": "x"}, "watches[1].handler_type: must be script or http"),
        ({"type": "nodes", "args": []}, "watches[1].args: must name the command"),
        ({"type": "nodes", "stale": "maybe"}, "watches[1].stale: must be true or false"),
        (
            {"type": "nodes", "handler_type": "http", "http_handler_config": {"path": "x"}},
            "watches[1].http_handler_config.path: must be a URL",
        ),
        (
            {
                "type": "nodes",
                "handler_type": "http",
                "http_handler_config": {"path": "http://x", "timeout": "soon"},
            },
            "watches[1].http_handler_config.timeout: ",
        ),
    ],
)
def test_what_is_wrong_is_named(fields, message):
    with pytest.raises(ConfigError) as caught:
        watches_of([{"type": "nodes", **ARGS}, {**ARGS, **fields}])

    assert message in str(caught.value)
