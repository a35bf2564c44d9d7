"""Request bodies of the agent's registration endpoints, as definitions.

Each raises HttpError 400 ``Request decode failed: ...``. Source: Consul API, /v1/agent.
"""

from agent.http.decode import decode_body
from agent.local.definitions import ALIASES, CheckDefinition, ServiceDefinition
from catalog.schema import Row


class CheckUpdate(Row, frozen=True, kw_only=True):
    """The new state of a TTL check."""

    status: str = ""
    output: str = ""


def read_service(body: bytes) -> ServiceDefinition:
    """The body of /v1/agent/service/register."""
    return decode_body(body, ServiceDefinition, aliases=ALIASES)


def read_check(body: bytes) -> CheckDefinition:
    """The body of /v1/agent/check/register."""
    return decode_body(body, CheckDefinition, aliases=ALIASES)


def read_update(body: bytes) -> CheckUpdate:
    """The body of /v1/agent/check/update/:id."""
    return decode_body(body, CheckUpdate)
