"""Autopilot's configuration."""

from agent.rpc.endpoints.operator import AutopilotGet, AutopilotSet, get_autopilot, set_autopilot
from catalog.commands import AutopilotPut
from catalog.read import Read
from catalog.rows.system import AutopilotConfiguration
from tests.agent.rpc.endpoints.server import make_server


def test_an_unset_configuration_is_the_default():
    server = make_server()
    read = Read(server.store)

    assert get_autopilot(read, AutopilotGet(), server) == AutopilotConfiguration()
    assert read.watched


def test_a_configuration_is_proposed_with_its_condition():
    wanted = AutopilotConfiguration(cleanup_dead_servers=False)

    assert set_autopilot(
        make_server(), AutopilotSet(configuration=wanted, cas_index=3)
    ) == AutopilotPut(configuration=wanted, cas_index=3)
