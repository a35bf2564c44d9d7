"""Junk and generated requests: the agent answers or refuses, stays alive and does not grow.

Requests come from the OpenAPI document that the route table makes, by schemathesis. All randomness
is seeded, so a failure comes again.
"""

import contextlib
import random
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from agent.http.openapi import document
from tests.system.agent_process import LOOPBACK, AgentProcess
from tests.system.dns_client import ask, question, records
from tests.system.raw_http import RawConnection

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

GENERATED_REQUESTS_MAX = 400
# The whole generated run; what is not tried by then is left.
GENERATED_RUN_MAX_S = 90.0
# A streaming or blocking answer may be cut here: only its start is of interest.
ANSWER_WAIT_S = 3.0
DNS_PACKETS = 3000
HTTP_CONNECTIONS = 300
# What allocators keep after a burst; thousands of leaked requests would take more.
GROWTH_BYTES_MAX = 48 * 1024 * 1024

# Paths that a fuzzer may not call; those that wait for an answer are cut by ANSWER_WAIT_S.
LEFT_OUT = {
    "/v1/agent/leave": "ends the agent",
    "/v1/agent/monitor": "streams logs until the client goes",
    "/v1/agent/join/{address}": "dials any address that is generated",
    "/v1/snapshot": "its body is an archive; covered by its own tests",
}


@pytest.fixture
def steady(agent: AgentProcess) -> Iterator[AgentProcess]:
    """The agent, which must answer, have the same process and a like size after the test."""
    agent.put_ok(
        "/v1/catalog/register",
        {"Node": "fuzz", "Address": "10.5.0.1", "Service": {"Service": "fuzz", "Port": 1}},
    )
    before = agent.resident_bytes()
    yield agent
    assert agent.is_running()
    assert agent.get("/v1/status/leader").json
    assert records(ask(agent.dns_port, "fuzz.service.consul", "A"), "A") == ["10.5.0.1"]
    assert "Traceback" not in agent.log_tail()
    assert agent.resident_bytes() - before < GROWTH_BYTES_MAX


def operations() -> list[Any]:
    """Every operation of the API that a fuzzer may call."""
    schema = schemathesis.openapi.from_dict(document())
    found = [result.ok() for result in schema.get_all_operations()]
    return [operation for operation in found if operation.path not in LEFT_OUT]


def test_every_path_left_out_exists() -> None:
    assert set(LEFT_OUT) <= set(document()["paths"])


def send(session: requests.Session, address: str, case: Any) -> requests.Response | None:
    """Send a generated request; None if it waits or streams."""
    arguments = case.as_transport_kwargs(base_url=f"http://{address}")
    with contextlib.suppress(requests.Timeout, requests.ConnectionError):
        return session.request(**arguments, timeout=ANSWER_WAIT_S, allow_redirects=False)
    return None


def test_generated_requests_find_no_internal_error(steady: AgentProcess) -> None:
    choices = operations()
    deadline = time.monotonic() + GENERATED_RUN_MAX_S
    session = requests.Session()

    @seed(1)
    @settings(
        max_examples=GENERATED_REQUESTS_MAX,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def generated(draw: st.DataObject) -> None:
        if time.monotonic() > deadline:
            return
        operation = draw.draw(st.sampled_from(choices))
        case = draw.draw(operation.as_strategy())
        answer = send(session, steady.http_address, case)
        if answer is not None:
            assert "internal error" not in answer.text.lower(), (operation.label, answer.text)
            assert "traceback" not in answer.text.lower(), (operation.label, answer.text)
            assert answer.status_code not in (502, 504), operation.label

    with session:
        generated()


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.label)
def test_each_operation_answers_a_generated_request(agent: AgentProcess, operation: Any) -> None:
    with requests.Session() as session:

        @seed(2)
        @settings(
            max_examples=3,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy())
        def generated(case: Any) -> None:
            answer = send(session, agent.http_address, case)
            if answer is not None:
                assert "internal error" not in answer.text.lower(), answer.text

        generated()
    assert agent.is_running()


def mutated(rng: random.Random, packet: bytes) -> bytes:
    """A packet with a few bytes changed and perhaps its tail cut."""
    changed = bytearray(packet)
    for _ in range(rng.randrange(1, 6)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed[: rng.randrange(1, len(changed) + 1)] if rng.random() < 0.3 else changed)


def test_junk_datagrams_do_not_stop_dns(steady: AgentProcess) -> None:
    rng = random.Random(3)
    valid = question("fuzz.service.consul", "SRV", edns=1232)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.setblocking(False)
        for number in range(DNS_PACKETS):
            junk = rng.randbytes(rng.randrange(0, 200))
            with contextlib.suppress(OSError):
                channel.sendto(
                    junk if number % 2 else mutated(rng, valid), (LOOPBACK, steady.dns_port)
                )
            with contextlib.suppress(OSError):
                channel.recv(65535)


def test_junk_streams_do_not_stop_dns(steady: AgentProcess) -> None:
    rng = random.Random(4)
    valid = question("fuzz.service.consul", "SRV")
    for number in range(HTTP_CONNECTIONS):
        body = rng.randbytes(rng.randrange(0, 100)) if number % 2 else mutated(rng, valid)
        frame = struct.pack(">H", len(body) + rng.choice([0, 0, 1, 1000])) + body
        with (
            contextlib.suppress(OSError),
            socket.create_connection((LOOPBACK, steady.dns_port), 1) as channel,
        ):
            channel.sendall(frame)
            if number % 10 == 0:
                channel.settimeout(0.02)
                channel.recv(65535)


def test_junk_requests_do_not_stop_http(steady: AgentProcess) -> None:
    rng = random.Random(5)
    valid = b"PUT /v1/kv/fuzz?cas=1 HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc"
    for number in range(HTTP_CONNECTIONS):
        junk = rng.randbytes(rng.randrange(1, 300)) if number % 2 else mutated(rng, valid)
        with (
            contextlib.suppress(OSError, AssertionError, ValueError),
            RawConnection(steady.ports["http"], timeout_s=0.05) as connection,
        ):
            connection.send(junk)
            connection.read()


@pytest.mark.parametrize(
    "path",
    ["/", "//", "/v1", "/v1/", "/v1/kv", "/%", "/%00", "/v1/nosuch", "/v1/kv/a?%", "/v1/kv/a?=&&;"],
)
def test_odd_path_is_refused_without_an_internal_error(agent: AgentProcess, path: str) -> None:
    for method in ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD"):
        answer = agent.request(method, path)

        assert answer.status < 500, (method, answer.text)
