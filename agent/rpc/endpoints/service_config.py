"""The central configuration of proxies. Source: Consul RPC, ConfigEntry.ResolveServiceConfig."""

from agent.rpc.request import ReadRequest
from agent.rpc.server import ServerContext
from catalog.queries import service_config
from catalog.queries.service_config import ServiceConfig, Subject
from catalog.read import Read


class ServiceConfigGet(ReadRequest, frozen=True, kw_only=True):
    """The configuration that a registration starts from."""

    subject: Subject


def resolve(read: Read, request: ServiceConfigGet, _server: ServerContext) -> ServiceConfig:
    """See ServiceConfigGet."""
    return service_config.resolve(read, request.subject)
