"""Trouble that users of KV met in the field, with the outcome that is right.

Each docstring names the public report. Where Consul 1.9.8 is known to be wrong the test says so.
"""

import base64
import contextlib
import threading
from typing import Any
from urllib.parse import quote

import pytest

from tests.system.agent_process import AgentProcess, Response
from tests.system.raw_http import RawConnection

pytestmark = pytest.mark.compat

VALUE_BYTES_MAX = 524_288


def listed(agent: AgentProcess, prefix: str) -> list[str]:
    """Keys below a prefix, [] when there are none."""
    answer = agent.get(f"/v1/kv/{quote(prefix, safe='')}?keys")
    return [] if answer.status == 404 else answer.json


def transact(agent: AgentProcess, operations: Any) -> Response:
    return agent.put("/v1/txn", operations)


def kv_set(key: str, value: bytes) -> dict[str, Any]:
    return {"KV": {"Verb": "set", "Key": key, "Value": base64.b64encode(value).decode()}}


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("slash//bar", "slash//bar"),
        ("slash/%2Flead%2F%2Fa", "slash//lead//a"),
        ("%2Fslash%2Flead", "/slash/lead"),
        ("slash/./dot", "slash/./dot"),
        ("slash/up/../x", "slash/up/../x"),
        ("slash/end//", "slash/end//"),
    ],
)
def test_odd_slashes_of_a_key_are_kept(agent: AgentProcess, path: str, key: str) -> None:
    """1.9.8 answers a write with a redirect. Source: hashicorp/consul#3476, #15933."""
    written = agent.put(f"/v1/kv/{path}", "x")

    assert written.status in (200, 400), "never a redirect on a write"
    assert written.status == 200
    assert key in listed(agent, "")
    assert agent.get(f"/v1/kv/{quote(key, safe='')}?raw").text == "x"
    assert agent.delete(f"/v1/kv/{quote(key, safe='')}").json is True
    assert key not in listed(agent, "")


def test_key_set_by_txn_is_readable_by_url(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#3476."""
    assert transact(agent, [kv_set("//txn-slash", b"x")]).status == 200

    assert agent.get("/v1/kv/%2F%2Ftxn-slash?raw").text == "x"
    assert agent.delete("/v1/kv/%2F%2Ftxn-slash").json is True


def test_percent_encoding_is_decoded_once(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#1409, #22822; vert-x3/vertx-consul-client#44."""
    agent.put_ok("/v1/kv/d1/a", "1")
    agent.put_ok("/v1/kv/d1/pct%2525", "x")
    agent.put_ok("/v1/kv/d1/pl+us", "x")
    agent.put_ok("/v1/kv/d1/sp%20ace", "x")

    assert agent.get("/v1/kv/d1%2Fa?raw").text == "1"
    assert listed(agent, "d1/") == ["d1/a", "d1/pct%25", "d1/pl+us", "d1/sp ace"]
    assert agent.get("/v1/kv/d1/pct%2525?raw").text == "x"
    assert agent.get("/v1/kv/d1/pct%25?raw").status == 404


def test_key_that_is_no_utf_8_is_refused_or_kept_exactly(agent: AgentProcess) -> None:
    """1.9.8 lists a name that does not resolve. Source: hashicorp/consul#20122."""
    written = agent.put("/v1/kv/bad-%FF-key", "x")

    if written.status == 200:
        (name,) = listed(agent, "bad-")
        assert agent.get(f"/v1/kv/{quote(name, safe='')}?raw").text == "x"
    else:
        assert written.status == 400
        assert written.text
        assert listed(agent, "bad-") == []


@pytest.mark.parametrize("path", ["nul-%00-key", "escape-%zz"])
def test_unusable_key_is_400_with_a_reason(agent: AgentProcess, path: str) -> None:
    """1.9.8 answers an empty 400 for NUL. Source: hashicorp/consul#20122, vdloo/consul-kv#30."""
    answer = agent.put(f"/v1/kv/{path}", "x")

    assert answer.status == 400
    assert answer.text


def test_line_separator_in_a_key_is_refused_or_resolves(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#20122."""
    answer = agent.put("/v1/kv/u%E2%80%A8x", "1")

    if answer.status == 200:
        assert agent.get("/v1/kv/u%E2%80%A8x?raw").text == "1"
        assert "u\u2028x" in listed(agent, "u")
    else:
        assert answer.status == 400
        assert answer.text


def test_empty_value_is_null_and_missing_is_404_with_an_index(agent: AgentProcess) -> None:
    """Source: gmr/consulate#51, rickfast/consul-client#48, saltstack/salt#42878."""
    agent.put_ok("/v1/kv/empty", b"")

    raw = agent.get("/v1/kv/empty?raw")
    missing = agent.get("/v1/kv/empty-none?raw")

    assert agent.get("/v1/kv/empty").json[0]["Value"] is None
    assert (raw.status, raw.body) == (200, b"")
    assert (missing.status, missing.body) == (404, b"")
    assert missing.index >= 1


def test_value_limit_is_exact_and_keeps_the_old_value(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#1682, hashicorp/terraform#9077."""
    whole = b"a" * VALUE_BYTES_MAX
    agent.put_ok("/v1/kv/big", whole)

    refused = agent.put("/v1/kv/big", whole + b"b")

    assert refused.status == 413
    assert str(VALUE_BYTES_MAX + 1) in refused.text
    assert f"max size: {VALUE_BYTES_MAX} bytes" in refused.text
    assert agent.get("/v1/kv/big?raw").body == whole


def test_value_limit_holds_for_chunked_bodies(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#1682."""
    with RawConnection(agent.ports["http"]) as connection:
        with contextlib.suppress(ConnectionError):
            connection.send(
                b"PUT /v1/kv/chunked HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            connection.send(b"%x\r\n" % VALUE_BYTES_MAX + b"a" * VALUE_BYTES_MAX + b"\r\n")
            connection.send(b"1\r\nb\r\n0\r\n\r\n")
        answer = connection.read()

    assert answer.status == 413
    assert str(VALUE_BYTES_MAX) in answer.text
    assert agent.get("/v1/kv/chunked").status == 404


@pytest.mark.parametrize("size", [393_216, VALUE_BYTES_MAX])
def test_value_that_kv_accepts_fits_a_txn(agent: AgentProcess, size: int) -> None:
    """1.9.8 counts base64 and refuses. Source: hashicorp/consul#19021, git2consul-go#56."""
    answer = transact(agent, [kv_set(f"txn-big-{size}", b"v" * size)])

    if answer.status == 413:
        assert "524288" in answer.text, "the limit and what was counted are named"
    assert answer.status == 200
    assert len(agent.get(f"/v1/kv/txn-big-{size}?raw").body) == size


def test_txn_takes_64_operations_and_no_more(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#7278, openark/orchestrator#1302."""
    most = [kv_set(f"txn-64/{number:02}", b"x") for number in range(64)]
    over = [kv_set(f"txn-65/{number:02}", b"x") for number in range(65)]

    accepted = transact(agent, most)
    refused = transact(agent, over)

    assert (accepted.status, len(accepted.json["Results"])) == (200, 64)
    assert refused.status == 413
    assert "65 > 64" in refused.text
    assert listed(agent, "txn-65/") == []


def test_txn_body_must_be_a_list(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#7278."""
    assert transact(agent, []).json["Results"] in ([], None)
    assert transact(agent, {}).status == 400
    assert agent.put("/v1/txn", b"").status == 400


def test_delete_with_cas_answers_as_clients_know_it(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#2360."""
    assert agent.delete("/v1/kv/dcas-missing?cas=5").json is True
    assert agent.put("/v1/kv/dcas?cas=0", "x").json is True
    assert agent.delete("/v1/kv/dcas?cas=0").json is False
    assert agent.delete("/v1/kv/dcas?cas=5").json is False
    conflict = agent.delete("/v1/kv/dcas?cas=5&recurse")
    assert (conflict.status, conflict.text) == (400, "Conflicting flags: cas=5&recurse=")
    assert agent.put("/v1/kv/dcas?cas=0", "y").json is False


@pytest.mark.parametrize("cas", ["", "abc", "-1"])
def test_malformed_cas_is_the_clients_fault(agent: AgentProcess, cas: str) -> None:
    """1.9.8 answers 500. Source: hashicorp/consul#2360."""
    assert agent.put(f"/v1/kv/bad-cas?cas={cas}", "x").status == 400
    assert agent.get("/v1/kv/bad-cas").status == 404


def test_equal_write_moves_no_index_and_wakes_nobody(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#5885."""
    agent.put_ok("/v1/kv/same", "v")
    index = agent.get("/v1/kv/same").index
    answers: list[Response] = []
    watch = f"/v1/kv/same?index={index}&wait=1500ms"
    watcher = threading.Thread(target=lambda: answers.append(agent.get(watch)))
    watcher.start()

    agent.put_ok("/v1/kv/same", "v")
    watcher.join()

    assert answers[0].elapsed_s > 1.4
    assert answers[0].json[0]["ModifyIndex"] == index


def test_change_of_flags_is_a_change(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#5885."""
    agent.put_ok("/v1/kv/same-flags", "v")
    index = agent.get("/v1/kv/same-flags").index
    writer = threading.Timer(0.2, agent.put, ("/v1/kv/same-flags?flags=7", "v"))
    writer.start()

    answer = agent.get(f"/v1/kv/same-flags?index={index}&wait=10s")
    writer.join()

    assert answer.elapsed_s < 5
    assert answer.json[0]["ModifyIndex"] > index
    assert answer.json[0]["Flags"] == 7
