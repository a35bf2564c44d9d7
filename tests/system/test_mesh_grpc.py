"""gRPC through two sidecars: every kind of call, by a real client and a real server."""

import grpc
import pytest

from tests.system.agent_process import LOOPBACK, wait_until
from tests.system.cluster import Cluster
from tests.system.mesh_backends import grpc_app
from tests.system.mesh_site import REACH_WAIT_S, intend, write_entry
from tests.system.mesh_traffic import explain, linked, upstream_port, wait_done, wait_listens

pytestmark = pytest.mark.system


def test_grpc_calls_of_all_kinds(mesh_agents: Cluster) -> None:
    with grpc_app() as port:
        front = linked(mesh_agents, "rpc", "grpc", port)
        wait_listens(front)
        with grpc.insecure_channel(f"{LOOPBACK}:{upstream_port(front)}") as channel:
            unary = channel.unary_unary("/echo/unary")
            wait_done(lambda: unary(b"", timeout=5, wait_for_ready=True))

            answer, call = unary.with_call(b"abc" * 100_000, metadata=[("asked-by", "me")])
            many = list(channel.unary_stream("/echo/many")(b"2000", timeout=10))
            total = channel.stream_unary("/echo/sum")(iter([b"1", b"2", b"39"]), timeout=10)
            both = list(channel.stream_stream("/echo/both")(iter([b"a", b"b"]), timeout=10))
            failed = rpc_error(channel, "/echo/fail", timeout=10)
            unknown = rpc_error(channel, "/echo/what", timeout=10)
            late = rpc_error(channel, "/echo/hang", timeout=0.3)

    assert b"cba" * 100_000 == answer
    assert "me" == dict(call.initial_metadata())["told"]
    trailers = dict(call.trailing_metadata())
    assert ("goodbye", b"\x00\xff") == (trailers["said"], trailers["raw-bin"])
    assert (2_000_000, b"42", [b"A", b"B"]) == (sum(map(len, many)), total, both)
    assert (grpc.StatusCode.NOT_FOUND, "no such thing: ü") == failed
    assert grpc.StatusCode.UNIMPLEMENTED == unknown[0]
    assert grpc.StatusCode.DEADLINE_EXCEEDED == late[0]


def test_a_grpc_call_is_tried_again_where_the_router_says(mesh_agents: Cluster) -> None:
    retrying = {"Destination": {"NumRetries": 2, "RetryOn": ["unavailable"]}}
    with grpc_app() as port:
        front = linked(mesh_agents, "retry", "grpc", port)
        wait_listens(front)
        with grpc.insecure_channel(f"{LOOPBACK}:{upstream_port(front)}") as channel:
            second = channel.unary_unary("/echo/second")
            wait_done(lambda: channel.unary_unary("/echo/unary")(b"", timeout=5))
            with pytest.raises(grpc.RpcError):
                second(b"without", timeout=5)

            write_entry(mesh_agents.server, "service-router", "retry-back", Routes=[retrying])

            keys = (f"key {number}".encode() for number in range(1000))
            wait_done(lambda: second(next(keys), timeout=5))
            assert b"2" == second(b"with", timeout=5)


def rpc_error(channel: grpc.Channel, method: str, timeout: float) -> tuple[grpc.StatusCode, str]:
    """The status and the text of a call that fails."""
    with pytest.raises(grpc.RpcError) as failed:
        channel.unary_unary(method)(b"x", timeout=timeout)
    return failed.value.code(), failed.value.details()


def test_a_denied_grpc_call_says_so_in_its_own_words(mesh_agents: Cluster) -> None:
    with grpc_app() as port:
        front = linked(mesh_agents, "nope", "grpc", port)
        intend(mesh_agents.server, "nope-front", "nope-back", "deny")
        wait_listens(front)
        with grpc.insecure_channel(f"{LOOPBACK}:{upstream_port(front)}") as channel:

            def denied() -> bool:
                return (
                    rpc_error(channel, "/echo/unary", timeout=5)[0]
                    is grpc.StatusCode.PERMISSION_DENIED
                )

            wait_until(denied, timeout_s=REACH_WAIT_S, what="a denial")
            assert not explain(front.agent, "nope-front", "nope-back").allowed
