"""The cluster's own configuration. Source: Consul API, /v1/operator/autopilot."""

from agent.rpc.request import ReadRequest, WriteRequest
from agent.rpc.server import ServerContext
from catalog import commands
from catalog.commands import Command
from catalog.read import Read
from catalog.rows.system import AutopilotConfiguration
from catalog.tables import AUTOPILOT


class AutopilotGet(ReadRequest, frozen=True, kw_only=True):
    """Autopilot's configuration."""


class AutopilotSet(WriteRequest, frozen=True, kw_only=True):
    """A new configuration; with ``cas_index`` the reply is whether it took effect."""

    configuration: AutopilotConfiguration
    cas_index: int | None = None


def get_autopilot(
    read: Read, _request: AutopilotGet, _server: ServerContext
) -> AutopilotConfiguration:
    """See AutopilotGet."""
    read.depend("autopilot-config")
    return read.store.get(AUTOPILOT, "") or AutopilotConfiguration()


def set_autopilot(_server: ServerContext, request: AutopilotSet) -> Command:
    """See AutopilotSet."""
    return commands.AutopilotPut(configuration=request.configuration, cas_index=request.cas_index)
