"""What a reload puts and removes, and what comes back from disk."""

import pytest

from agent.local.agent import LocalSettings
from agent.local.errors import LocalFault
from agent.local.persist import LocalFiles
from agent.local.reload import plan_reload, resume
from agent.local.state import LOCAL, LocalState
from tests.agent.local.fakes import Half, check, make_local, service

SETTINGS = LocalSettings(node="n1")


def plan(state, services=(), checks=()):
    return plan_reload(state, SETTINGS, list(services), list(checks))


@pytest.fixture
def state() -> LocalState:
    return LocalState(rng=Half())


def test_a_plan_lists_services_sidecars_and_checks(state):
    found = plan(
        state,
        [service('{"Name":"web","Check":{"TTL":"1s"},"Connect":{"SidecarService":{}}}')],
        [check('{"Name":"c","TTL":"1s","ServiceID":"web"}')],
    )

    assert [each.service.id for each in found.services] == ["web", "web-sidecar-proxy"]
    assert [each.check.check_id for each in found.checks] == ["c"]
    assert found.checks[0].check.service_name == "web"
    assert len(found.all_checks) == 4


def test_two_sidecars_of_one_reload_get_two_ports(state):
    found = plan(
        state,
        [
            service('{"Name":"a","Connect":{"SidecarService":{}}}'),
            service('{"Name":"b","Connect":{"SidecarService":{}}}'),
        ],
    )

    assert [each.service.port for each in found.services if each.is_sidecar] == [21000, 21001]


@pytest.mark.parametrize(
    ("services", "checks", "fault"),
    [
        (['{"ID":"x"}'], [], 'Failed to validate service "x": Missing service name'),
        ([], ['{"Name":"c"}'], 'Failed to validate check "c": Invalid check: TTL must be'),
        (
            [],
            ['{"Name":"c","TTL":"1s","ServiceID":"x"}'],
            'Failed to register check "c": ServiceID "x" does not exist',
        ),
    ],
)
def test_a_fault_names_the_registration(state, services, checks, fault):
    with pytest.raises(LocalFault) as caught:
        plan(state, map(service, services), map(check, checks))

    assert str(caught.value).startswith(fault)


def test_a_check_of_a_service_that_goes_is_refused():
    local = make_local()
    local.agent.start([service('{"Name":"a"}')], [])

    with pytest.raises(LocalFault, match="does not exist"):
        plan(local.state, [], [check('{"Name":"c","TTL":"1s","ServiceID":"a"}')])


def test_what_the_configuration_no_longer_defines_is_gone():
    local = make_local()
    local.agent.start(
        [service('{"Name":"a","Check":{"TTL":"1s"}}')], [check('{"Name":"c","TTL":"1s"}')]
    )
    local.register('{"Name":"api","Check":{"TTL":"1s"}}')

    found = plan(local.state)

    assert (found.service_ids_gone, found.check_ids_gone) == (("a",), ("c",))
    assert local.state.services["a"].source == LOCAL


def test_what_cannot_run_is_not_restored_and_removed_from_disk(tmp_path):
    local = make_local(data_dir=tmp_path, enable_script_checks=True)
    local.register('{"Name":"a"}')
    local.register_check('{"Name":"script","Args":["true"],"Interval":"1s"}')
    local.register_check('{"Name":"orphan","TTL":"1s","ServiceID":"a"}')
    LocalFiles(tmp_path).remove_service("a")

    again = make_local(data_dir=tmp_path)
    again.agent.start([], [])

    assert (dict(again.state.checks), again.runner.running) == ({}, {})
    assert list(LocalFiles(tmp_path).checks()) == []


def test_what_comes_from_disk_is_handed_on(tmp_path, state):
    local = make_local(data_dir=tmp_path)
    local.register('{"Name":"a","Check":{"TTL":"1s"}}')
    found = []

    resume(state, LocalFiles(tmp_path), put_check=lambda entry: found.append(entry.check.check_id))

    assert set(state.services) == {"a"}
    assert found == ["service:a"]
