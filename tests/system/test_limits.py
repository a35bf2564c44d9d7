"""What the API port does with too many connections, odd framing and clients that go away."""

import contextlib
import os
import time
from collections.abc import Iterator

import pytest

from tests.system.agent_process import AgentProcess, AgentStarter, wait_until
from tests.system.raw_http import RawConnection

pytestmark = pytest.mark.system

# The cap of the tests below; Consul's default is 200.
CONNECTIONS_MAX = 8
MEGABYTE = 1024 * 1024
# Allocators keep some of a burst; a leak of 150 waiting queries a round would pass this quickly.
GROWTH_BYTES_MAX = 24 * MEGABYTE


@pytest.fixture
def connect(agent: AgentProcess) -> Iterator[RawConnection]:
    with RawConnection(agent.ports["http"]) as connection:
        yield connection


@pytest.fixture
def capped(start_agent: AgentStarter) -> AgentProcess:
    """An agent that lets one address have CONNECTIONS_MAX connections."""
    return start_agent("-hcl", f"limits {{ http_max_conns_per_client = {CONNECTIONS_MAX} }}")


def open_many(agent: AgentProcess, count: int) -> list[RawConnection]:
    return [RawConnection(agent.ports["http"]) for _ in range(count)]


def test_connection_over_the_cap_gets_429_and_a_close(capped: AgentProcess) -> None:
    """Source: hashicorp/consul#7527, #7259, #8628."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(c) for c in open_many(capped, CONNECTIONS_MAX)]
        assert [connection.get("/v1/status/leader").status for connection in connections] == [
            200
        ] * CONNECTIONS_MAX
        extra = [stack.enter_context(c) for c in open_many(capped, 4)]

        refused = [connection.get("/v1/status/leader") for connection in extra]

        assert [answer.status for answer in refused] == [429] * 4
        assert all(answer.body for answer in refused), "a reason is given"
        assert all(answer.headers["Connection"] == "close" for answer in refused)
        assert all(connection.is_closed_by_server() for connection in extra)


def test_freed_slot_is_usable_at_once(capped: AgentProcess) -> None:
    """Source: hashicorp/consul#7527."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(c) for c in open_many(capped, CONNECTIONS_MAX)]
        for connection in connections:
            connection.get("/v1/status/leader")
        for connection in connections[:4]:
            connection.close()

        def slot_is_free() -> bool:
            with RawConnection(capped.ports["http"]) as late:
                return late.get("/v1/status/leader").status == 200

        wait_until(slot_is_free, timeout_s=2, what="a freed slot")


def test_idle_watches_count_towards_the_cap(capped: AgentProcess) -> None:
    """Source: hashicorp/consul#8628."""
    index = capped.put("/v1/kv/cap", "x") and capped.get("/v1/kv/cap").index
    watch = f"GET /v1/kv/cap?index={index}&wait=60s HTTP/1.1\r\nHost: test\r\n\r\n".encode()
    with contextlib.ExitStack() as stack:
        for connection in open_many(capped, CONNECTIONS_MAX):
            stack.enter_context(connection).send(watch)
        with RawConnection(capped.ports["http"]) as late:
            assert late.get("/v1/status/leader").status == 429


def test_pipelined_requests_are_answered_in_order(connect: RawConnection) -> None:
    one = b"GET /v1/status/leader HTTP/1.1\r\nHost: test\r\n\r\n"
    two = b"GET /v1/kv/none-such HTTP/1.1\r\nHost: test\r\n\r\n"

    connect.send(one + two + one)

    assert [connect.read().status for _ in range(3)] == [200, 404, 200]


def test_http_1_0_without_host_is_answered(connect: RawConnection) -> None:
    connect.send(b"GET /v1/status/leader HTTP/1.0\r\n\r\n")

    assert connect.read().status == 200
    assert connect.is_closed_by_server()


def test_http_1_1_without_host_is_400(connect: RawConnection) -> None:
    connect.send(b"GET /v1/status/leader HTTP/1.1\r\n\r\n")

    assert connect.read().status == 400


def test_length_and_chunked_together_is_400_and_a_close(
    agent: AgentProcess, connect: RawConnection
) -> None:
    """The old answer let a request be smuggled behind a proxy. Source: zoxy-io/zoxy#244."""
    connect.send(
        b"PUT /v1/kv/smuggled HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    )

    assert connect.read().status == 400
    assert connect.is_closed_by_server()
    assert agent.get("/v1/kv/smuggled").status == 404


def test_two_different_lengths_are_400_and_a_close(
    agent: AgentProcess, connect: RawConnection
) -> None:
    connect.send(
        b"PUT /v1/kv/two-lengths HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n"
        b"Content-Length: 4\r\n\r\nabcd"
    )

    assert connect.read().status == 400
    assert connect.is_closed_by_server()
    assert agent.get("/v1/kv/two-lengths").status == 404


def test_continue_is_sent_when_the_body_is_wanted(connect: RawConnection) -> None:
    connect.send(
        b"PUT /v1/kv/continued HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n"
        b"Expect: 100-continue\r\n\r\n"
    )
    assert connect.read(body=False).status == 100

    connect.send(b"abc")

    assert connect.read().json is True


def test_continue_is_not_sent_when_the_body_is_refused(connect: RawConnection) -> None:
    connect.send(
        b"PUT /v1/kv/too-large HTTP/1.1\r\nHost: test\r\nContent-Length: 524289\r\n"
        b"Expect: 100-continue\r\n\r\n"
    )

    answer = connect.read()

    assert answer.status == 413
    assert "524289" in answer.text


def test_header_over_a_megabyte_is_431(connect: RawConnection) -> None:
    with contextlib.suppress(ConnectionError):
        connect.send(b"GET /v1/status/leader HTTP/1.1\r\nHost: test\r\nX-Long: ")
        connect.send(b"a" * (MEGABYTE + 100_000) + b"\r\n\r\n")

    assert connect.read().status == 431


@pytest.mark.timeout(60)
def test_header_never_ended_is_dropped_after_about_ten_seconds(connect: RawConnection) -> None:
    """Source: hashicorp/consul#23182."""
    began = time.monotonic()
    connect.send(b"GET /v1/status/leader HTTP/1.1\r\nHost: te")

    with contextlib.suppress(ConnectionError):
        connect.read()
    assert connect.is_closed_by_server()
    assert 5 < time.monotonic() - began < 15


def test_get_with_a_body_leaves_the_connection_in_step(connect: RawConnection) -> None:
    connect.send(b"GET /v1/status/leader HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nGET /")

    assert connect.read().status == 200
    assert connect.get("/v1/status/leader").status == 200


def test_large_refusal_can_be_read_in_full(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#1682, hashicorp/terraform#9077."""
    body = b"a" * (4 * MEGABYTE)
    with RawConnection(agent.ports["http"]) as connection:
        head = f"PUT /v1/kv/huge HTTP/1.1\r\nHost: test\r\nContent-Length: {len(body)}\r\n\r\n"
        with contextlib.suppress(ConnectionError):
            connection.send(head.encode() + body)

        answer = connection.read()

    assert answer.status == 413
    assert "524288" in answer.text


def open_sockets(agent: AgentProcess) -> int:
    """How many sockets the agent's process holds."""
    assert agent.process is not None
    folder = f"/proc/{agent.process.pid}/fd"
    count = 0
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            count += os.readlink(f"{folder}/{name}").startswith("socket:")
    return count


@pytest.mark.timeout(120)
def test_abandoned_blocking_queries_are_freed(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#8524, #9647."""
    agent.put("/v1/kv/abandoned", "x")
    index = agent.get("/v1/kv/abandoned").index
    watch = f"GET /v1/kv/abandoned?index={index}&wait=5m HTTP/1.1\r\nHost: test\r\n\r\n".encode()
    resident = []
    for _ in range(5):
        # A socket of an earlier request may be about to close; 140 of 150 show the herd as well.
        before = open_sockets(agent)
        connections = open_many(agent, 150)
        for connection in connections:
            connection.send(watch)
        wait_until(lambda least=before + 140: open_sockets(agent) >= least, what="150 watches")

        for connection in connections:
            connection.close()

        wait_until(
            lambda most=before: open_sockets(agent) <= most, timeout_s=3, what="sockets freed"
        )
        assert agent.get("/v1/status/leader").status == 200
        resident.append(agent.resident_bytes())

    assert resident[-1] - resident[0] < GROWTH_BYTES_MAX


def test_hundreds_of_idle_watches_cost_little_memory(start_agent: AgentStarter) -> None:
    """300 watches of one address need a raised cap; each may hold 100 KiB at most."""
    agent = start_agent("-hcl", "limits { http_max_conns_per_client = 400 }")
    agent.put("/v1/kv/idle", "x")
    index = agent.get("/v1/kv/idle").index
    watch = f"GET /v1/kv/idle?index={index}&wait=60s HTTP/1.1\r\nHost: test\r\n\r\n".encode()
    before = agent.resident_bytes()
    with contextlib.ExitStack() as stack:
        for connection in open_many(agent, 300):
            stack.enter_context(connection).send(watch)
        assert agent.get("/v1/status/leader").status == 200

        assert agent.resident_bytes() - before < 300 * 100 * 1024
