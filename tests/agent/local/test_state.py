"""This node's registrations: what counts as a change, and who is told."""

import msgspec
import pytest

from agent.checks.definition import CheckType
from agent.local.pending import Gone
from agent.local.state import LocalCheck, LocalService, LocalState, content_hash
from catalog.rows.check import HealthCheck
from catalog.rows.service import NodeService
from tests.agent.local.fakes import Half


@pytest.fixture
def state() -> LocalState:
    return LocalState(rng=Half(), check_update_interval_s=300)


def put_check(state: LocalState, status: str = "passing", **fields) -> None:
    row = HealthCheck(node="n1", check_id="c", name="c", status=status, **fields)
    state.put_check(LocalCheck(check=row, definition=CheckType(check_id="c")), now_s=1.0)


def settle(state: LocalState) -> None:
    state.pending.node = False
    state.pending.services.clear()
    state.pending.checks.clear()


def test_an_equal_registration_changes_nothing_and_tells_nobody(state):
    told: list[str] = []
    entry = LocalService(service=NodeService(id="a", service="a"))
    state.put_service(entry)
    put_check(state)
    settle(state)
    state.subscribe(told.append)

    state.put_service(msgspec.structs.replace(entry))
    put_check(state)

    assert (state.pending.is_empty, told) == (True, [])


def test_a_changed_registration_is_told_until_the_listener_leaves(state):
    told: list[str] = []
    leave = state.subscribe(told.append)

    state.put_service(LocalService(service=NodeService(id="a", service="a")))
    put_check(state, service_id="a")
    leave()
    state.remove_service("a")

    assert told == ["a", "a"]


def test_aliases_are_told_of_their_service_and_of_the_node(state):
    told: list[str] = []
    state.watch_local("a", lambda: told.append("x"))

    put_check(state)
    state.put_service(LocalService(service=NodeService(id="a", service="a")))
    state.put_service(LocalService(service=NodeService(id="b", service="b")))

    assert told == ["x", "x"]
    assert (state.has_local_service("a"), state.has_local_service("z")) == (True, False)
    assert [check.check_id for check in state.local_checks()] == ["c"]


def test_a_status_is_written_at_once_and_an_output_within_an_interval_and_a_half(state):
    put_check(state)
    settle(state)

    state.update_check("c", "passing", "new", now_s=10.0)
    assert state.pending.is_empty
    assert state.pending.deferred == {"c": 310.0}  # the middle of 150 to 450 seconds on

    state.update_check("c", "warning", "newer", now_s=11.0)
    assert state.pending.checks == {"c"}
    assert state.pending.deferred == {}


def test_without_an_interval_each_output_is_written_at_once():
    state = LocalState(rng=Half(), check_update_interval_s=0)
    put_check(state)
    settle(state)

    state.update_check("c", "passing", "new", now_s=10.0)

    assert state.pending.checks == {"c"}


def test_outputs_can_be_discarded():
    state = LocalState(rng=Half(), discard_check_output=True)
    put_check(state)

    state.update_check("c", "critical", "secret", now_s=10.0)

    assert state.checks["c"].check.output == ""


def test_the_same_result_and_an_unknown_check_change_nothing(state):
    put_check(state)
    settle(state)

    state.update_check("c", "passing", "", now_s=10.0)
    state.update_check("nope", "critical", "", now_s=10.0)

    assert (state.pending.is_empty, state.pending.deferred) == (True, {})
    assert set(state.checks) == {"c"}


def test_the_time_of_becoming_critical_is_kept(state):
    put_check(state, status="critical")
    state.update_check("c", "critical", "again", now_s=5.0)
    assert state.checks["c"].critical_since_s == 1.0

    state.update_check("c", "passing", "", now_s=6.0)
    assert state.checks["c"].critical_since_s is None

    state.update_check("c", "critical", "", now_s=7.0)
    assert state.checks["c"].critical_since_s == 7.0


def test_a_service_takes_its_checks_along(state):
    state.put_service(LocalService(service=NodeService(id="a", service="a")))
    put_check(state, service_id="a")

    state.remove_service("a")
    state.remove_service("a")
    state.remove_check("c")

    assert (dict(state.services), dict(state.checks)) == ({}, {})
    assert state.pending.gone_services == {"a": Gone("a")}
    assert state.pending.gone_checks == {"c": Gone("a")}


def test_adopted_tags_are_no_difference(state):
    state.put_service(LocalService(service=NodeService(id="a", service="a")))
    settle(state)

    state.adopt_tags("a", ("theirs",))

    assert state.services["a"].service.tags == ("theirs",)
    assert state.pending.is_empty


def test_the_hash_differs_with_the_content_and_not_with_indexes():
    service = NodeService(id="a", service="a", meta={"x": "1", "y": "2"})
    same = NodeService(id="a", service="a", meta={"y": "2", "x": "1"}, modify_index=9)
    other = NodeService(id="a", service="a", port=1)

    assert content_hash(service) == content_hash(same)
    assert content_hash(service) != content_hash(other)
    assert len(content_hash(service)) == 16
