"""Shared parameters. Texts as Consul 1.9.8 gives them."""

from types import SimpleNamespace

import pytest

from agent.http import params
from agent.http.call import Call, HttpError, Query
from agent.http.fast import Headers
from agent.rpc.request import Consistency


def make_call(query: str = "", **headers: str) -> Call:
    front = SimpleNamespace(node_name="node-a", datacenter="dc1")
    fields = Headers((name.replace("_", "-"), text) for name, text in headers.items())
    return Call(front, "GET", "/", Query(query), fields, b"", "127.0.0.1")


def refusal(work) -> tuple[int, str]:
    with pytest.raises(HttpError) as caught:
        work()
    return caught.value.status, caught.value.text


def test_nothing_asked_sets_nothing():
    assert params.read_options(make_call()) == {}


def test_every_shared_parameter_becomes_a_field():
    call = make_call("index=7&wait=2s&stale&max_stale=1m&filter=a&dc=dc2&token=t")

    assert params.read_options(call) == {
        "min_index": 7,
        "wait_ns": 2_000_000_000,
        "consistency": Consistency.STALE,
        "max_stale_ns": 60_000_000_000,
        "filter": "a",
        "datacenter": "dc2",
        "token": "t",
    }


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("index=abc", "Invalid index"),
        ("index=-1", "Invalid index"),
        ("index=18446744073709551616", "Invalid index"),
        ("index=%C2%B2", "Invalid index"),
        ("wait=abc", "Invalid wait time"),
        ("wait=-1s", "Invalid wait time"),
        ("wait=5", "Invalid wait time"),
        ("max_stale=x", 'Invalid max_stale value "x"'),
        ("stale&consistent", "Cannot specify ?stale with ?consistent, conflicting semantics."),
        ("cached&consistent", "Cannot specify ?cached with ?consistent, conflicting semantics."),
        (
            "ns=a",
            'Bad request: Invalid query parameter: "ns" - '
            "Namespaces are a Consul Enterprise feature",
        ),
    ],
)
def test_a_fault_is_answered_400_and_named(query, text):
    assert refusal(lambda: params.read_options(make_call(query))) == (400, text)


def test_empty_and_zero_waits_are_the_default():
    assert params.read_options(make_call("index=&wait=")) == {}
    assert params.read_options(make_call("wait=0s")) == {"wait_ns": 0}


@pytest.mark.parametrize(
    ("query", "headers", "token"),
    [
        ("token=q", {"X_Consul_Token": "h"}, "q"),
        ("", {"X_Consul_Token": "h", "Authorization": "Bearer b"}, "h"),
        ("", {"Authorization": "bearer  b"}, "b"),
        ("", {"Authorization": "Basic b"}, ""),
        ("", {"Authorization": "Bearer"}, ""),
    ],
)
def test_the_token_comes_from_the_url_then_the_header_then_the_bearer(query, headers, token):
    assert params.token_of(make_call(query, **headers)) == token


def test_node_metadata_may_be_repeated():
    call = make_call("node-meta=a:1&node-meta=b:2:3&node-meta=c")

    assert params.node_meta(call) == {"a": "1", "b": "2:3", "c": ""}


def test_near_agent_is_this_node():
    assert [params.near(make_call(f"near={name}")) for name in ("_agent", "x", "")] == [
        "node-a",
        "x",
        "",
    ]


def test_truth_is_read_as_go_does():
    assert [params.boolean(text) for text in ("1", "T", "true")] == [True] * 3
    assert [params.boolean(text) for text in ("0", "F", "False")] == [False] * 3
    assert [params.boolean(text) for text in ("", "yes", "tRue")] == [None] * 3


def test_an_unsigned_number_names_its_fault():
    parse = 'Invalid flags: strconv.ParseUint: parsing "{}": {}'

    assert params.unsigned("18446744073709551615", "flags") == 2**64 - 1
    assert refusal(lambda: params.unsigned("-1", "flags")) == (
        400,
        parse.format("-1", "invalid syntax"),
    )
    assert refusal(lambda: params.unsigned(str(2**64), "flags", 500)) == (
        500,
        parse.format(2**64, "value out of range"),
    )


def test_cas_is_optional():
    assert params.cas_index(make_call()) is None
    assert params.cas_index(make_call("cas=3")) == 3
    assert refusal(lambda: params.cas_index(make_call("cas="), status=500))[0] == 500


def test_a_missing_path_argument_is_named():
    call = make_call()
    call.path = {"id": ""}

    assert refusal(lambda: params.required(call, "id", "session")) == (400, "Missing session")
