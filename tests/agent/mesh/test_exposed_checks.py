"""Paths that are exposed because a service is checked there."""

import pytest

from agent.checks.definition import CheckType
from agent.local.state import LocalCheck, LocalState
from agent.mesh.exposed_checks import GRPC_HEALTH, ExposedChecks
from catalog.rows.check import HealthCheck
from catalog.rows.service import Expose, ExposePath
from tests.agent.mesh.world import sidecar

WEB = sidecar("web", expose=Expose(checks=True))


class NoJitter:
    def random(self) -> float:
        return 0.0


@pytest.fixture
def state() -> LocalState:
    return LocalState(rng=NoJitter())


def put(state: LocalState, check_id: str, service_id: str = "web", **how: str) -> None:
    check = HealthCheck(check_id=check_id, service_id=service_id)
    definition = CheckType(check_id=check_id, **how)  # type: ignore[arg-type] # texts only
    state.put_check(LocalCheck(check=check, definition=definition), now_s=0.0)


def exposed(state: LocalState, count: int = 5) -> ExposedChecks:
    return ExposedChecks(state, lambda: range(21500, 21500 + count))


def test_checks_by_http_and_grpc_have_a_path_and_a_port_each(state: LocalState) -> None:
    put(state, "a", http="http://127.0.0.1:8080/health?x=y")
    put(state, "b", grpc="127.0.0.1:9090/web")
    put(state, "c", tcp="127.0.0.1:1")
    put(state, "d", service_id="other", http="http://127.0.0.1:1/")

    assert (
        ExposePath(
            listener_port=21500,
            path="/health",
            local_path_port=8080,
            protocol="http",
            parsed_from_check=True,
        ),
        ExposePath(
            listener_port=21501,
            path=GRPC_HEALTH,
            local_path_port=9090,
            protocol="http2",
            parsed_from_check=True,
        ),
    ) == exposed(state).paths(WEB)


def test_a_url_without_port_and_path_has_the_usual_ones(state: LocalState) -> None:
    put(state, "a", http="https://web.example")

    (path,) = exposed(state).paths(WEB)

    assert ("/", 443) == (path.path, path.local_path_port)


def test_a_check_keeps_its_port_until_it_is_gone(state: LocalState) -> None:
    put(state, "b", http="http://127.0.0.1:8080/b")
    ports = exposed(state)
    before = ports.paths(WEB)

    put(state, "a", http="http://127.0.0.1:8080/a")
    assert before[0] in ports.paths(WEB)
    state.remove_check("b")
    ports.paths(WEB)
    put(state, "c", http="http://127.0.0.1:8080/c")

    assert [21501, 21500] == [path.listener_port for path in ports.paths(WEB)]


def test_a_proxy_that_is_gone_frees_its_ports(state: LocalState) -> None:
    put(state, "a", http="http://127.0.0.1:8080/")
    ports = exposed(state, count=1)
    ports.paths(WEB)

    ports.forget(WEB.id)

    assert 21500 == ports.paths(WEB)[0].listener_port


def test_without_a_port_left_a_check_is_not_exposed(state: LocalState) -> None:
    put(state, "a", http="http://127.0.0.1:8080/")

    assert () == exposed(state, count=0).paths(WEB)


def test_nothing_is_exposed_that_nobody_asked_for(state: LocalState) -> None:
    put(state, "a", http="http://127.0.0.1:8080/")
    put(state, "b", http="http://127.0.0.1:port/")

    assert () == exposed(state).paths(sidecar("web"))
    assert 1 == len(exposed(state).paths(WEB))  # the other URL cannot be read
