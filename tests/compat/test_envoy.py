"""A stock Envoy, told by the agent, runs as a service's sidecar in place of the own proxy.

Both talk to each other in both directions over mutual TLS, and when the Envoy is gone the own proxy
carries on.
"""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.compat.peer import find_program, running_program
from tests.system.agent_process import AgentProcess, AgentStarter, free_ports, wait_until
from tests.system.mesh_site import (
    REACH_WAIT_S,
    Sidecar,
    app,
    call,
    calling,
    delete_entry,
    echo,
    intend,
    register,
    speak,
    write_entry,
)

pytestmark = [pytest.mark.compat, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProcess]:
    """An agent with a gRPC port."""
    starter = AgentStarter(tmp_path_factory.mktemp("envoy"))
    (grpc_port,) = free_ports(1)
    try:
        process = starter("-node=node-a", f"-hcl=ports {{ grpc = {grpc_port} }}")
        process.ports["grpc"] = grpc_port
        yield process
    finally:
        starter.end_all()


@contextmanager
def envoy(sidecar: Sidecar, folder: Path) -> Iterator[int]:
    """An Envoy for a sidecar, started by the command line's bootstrap; the port of its pages."""
    (admin_port,) = free_ports(1)
    grpc = f"-grpc-addr=127.0.0.1:{sidecar.agent.ports['grpc']}"
    admin = f"-admin-bind=127.0.0.1:{admin_port}"
    words = ("connect", "envoy", f"-sidecar-for={sidecar.id}", grpc, admin)
    made = sidecar.agent.run(*words, "-bootstrap")
    assert made.returncode == 0, made.stderr
    path = folder / f"{sidecar.id}.json"
    path.write_bytes(made.stdout)
    arguments = ("-c", str(path), "--concurrency", "1", "--disable-hot-restart")
    with running_program(folder / f"{sidecar.id}.log", "envoy", *arguments):
        wait_until(
            lambda: f":{sidecar.port}" in listeners(admin_port),
            timeout_s=REACH_WAIT_S,
            what="the Envoy listens at the public port",
        )
        yield admin_port


def listeners(admin_port: int) -> str:
    """Where an Envoy listens, as it says."""
    try:
        return call(admin_port, "/listeners").body.decode()
    except OSError:
        return ""


def requests_through(admin_port: int, name: str) -> int:
    """A counter of an Envoy."""
    text = call(admin_port, f"/stats?filter={name}&format=json").body
    return sum(each.get("value", 0) for each in json.loads(text)["stats"] if "name" in each)


@pytest.mark.parametrize("protocol", ["tcp", "http", "http2"])
def test_an_envoy_and_the_own_proxy_call_each_other(
    agent: AgentProcess, tmp_path: Path, protocol: str
) -> None:
    left, right = f"left-{protocol}", f"right-{protocol}"
    if protocol != "tcp":
        speak(agent, "http" if protocol == "http2" else protocol, left, right)
    with app("left") as left_app, app("right") as right_app:
        ours = register(agent, left, left_app.port, upstreams=[right])
        theirs = register(agent, right, right_app.port, upstreams=[left])
        ours.wait_reach(right)
        with envoy(theirs, tmp_path) as admin_port:
            ours.wait_reach(right)
            theirs.wait_reach(left)

            assert "right" == ours.call(right).served_by
            assert "left" == theirs.call(left).served_by
            assert requests_through(admin_port, "downstream_cx_total") > 0
        ours.wait_reach(right)
        theirs.wait_reach(left)


def test_intentions_hold_at_an_envoy(agent: AgentProcess, tmp_path: Path) -> None:
    speak(agent, "http", "held-a", "held-b")
    with app("a") as a_app, app("b") as b_app:
        a = register(agent, "held-a", a_app.port, upstreams=["held-b"])
        b = register(agent, "held-b", b_app.port)
        with envoy(b, tmp_path):
            a.wait_reach("held-b")

            intend(agent, "held-a", "held-b", "deny")
            wait_until(lambda: not a.reaches("held-b"), what="the Envoy denies")
            sources = [
                {
                    "Name": "held-a",
                    "Permissions": [
                        {"Action": "allow", "HTTP": {"PathPrefix": "/open", "Methods": ["GET"]}},
                        {"Action": "deny", "HTTP": {"PathPrefix": "/"}},
                    ],
                }
            ]
            write_entry(agent, "service-intentions", "held-b", Sources=sources)
            wait_until(lambda: a.call("held-b", "/open/x").status == 200, what="a path is open")

            assert 403 == a.call("held-b", "/closed").status
            assert 403 == a.call("held-b", "/open/x", method="POST", body=b"x").status
        delete_entry(agent, "service-intentions", "held-b")


def test_a_split_and_a_renewed_root_reach_an_envoy(agent: AgentProcess, tmp_path: Path) -> None:
    speak(agent, "http", "way-in", "one", "two")
    splits = [{"Weight": 50, "Service": "one"}, {"Weight": 50, "Service": "two"}]
    with app("in") as front, app("one") as one, app("two") as two:
        register(agent, "one", one.port)
        register(agent, "two", two.port)
        caller = register(agent, "way-in", front.port, upstreams=["one"])
        with envoy(caller, tmp_path):
            caller.wait_reach("one")
            write_entry(agent, "service-splitter", "one", Splits=splits)
            wait_until(lambda: "two" == caller.call("one").served_by, what="the split is used")

            with calling(caller.upstreams["one"]) as tally:
                before = roots(agent)
                config = {"LeafCertTTL": "72h", "PrivateKeyType": "ec", "PrivateKeyBits": 384}
                agent.put_ok(
                    "/v1/connect/ca/configuration", {"Provider": "consul", "Config": config}
                )
                wait_until(lambda: roots(agent) != before, what="another root")
                count = tally.outcomes.total()
                wait_until(lambda: tally.outcomes.total() > count + 200, timeout_s=60, what="calls")

            assert {"200"} == set(tally.outcomes), tally.failures
        delete_entry(agent, "service-splitter", "one")


def roots(agent: AgentProcess) -> str:
    """The active root."""
    active: str = agent.get("/v1/connect/ca/roots").json["ActiveRootID"]
    return active


def test_the_command_runs_an_envoy_itself(agent: AgentProcess, tmp_path: Path) -> None:
    (admin_port,) = free_ports(1)
    with echo() as port:
        sidecar = register(agent, "run-by-command", port)
        words = (
            "connect",
            "envoy",
            f"-http-addr={agent.http_address}",
            f"-sidecar-for={sidecar.id}",
            f"-grpc-addr=127.0.0.1:{agent.ports['grpc']}",
            f"-admin-bind=127.0.0.1:{admin_port}",
            f"-envoy-binary={find_program('envoy')}",
            "--",
            "--disable-hot-restart",
            "--concurrency",
            "1",
        )
        with running_program(tmp_path / "envoy.log", "proconsul", *words):
            wait_until(
                lambda: f":{sidecar.port}" in listeners(admin_port),
                timeout_s=REACH_WAIT_S,
                what="the Envoy listens",
            )


def test_a_proxy_that_is_not_registered_is_named(agent: AgentProcess) -> None:
    done = agent.run("connect", "envoy", "-sidecar-for=nobody", "-bootstrap")

    assert (1, b"No sidecar proxy registered for nobody\n") == (done.returncode, done.stderr)


def test_the_command_runs_the_own_proxy(agent: AgentProcess, tmp_path: Path) -> None:
    (upstream_port,) = free_ports(1)
    with app("target") as target:
        register(agent, "target", target.port)
        words = (
            "connect",
            "proxy",
            f"-http-addr={agent.http_address}",
            "-service=by-hand",
            f"-upstream=target:{upstream_port}",
        )
        with running_program(tmp_path / "proxy.log", "proconsul", *words):
            wait_until(lambda: reaches(upstream_port), timeout_s=REACH_WAIT_S, what="the target")

        services = agent.get("/v1/agent/services").json
        assert not [name for name in services if name.startswith("by-hand")]


def reaches(port: int) -> bool:
    """Whether somebody answers at an upstream."""
    try:
        return call(port).status == 200
    except (OSError, http.client.HTTPException):
        return False
