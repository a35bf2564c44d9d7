"""Compiled discovery chains. Source: Consul API, /v1/discovery-chain."""

from agent.rpc.request import ReadRequest
from agent.rpc.server import ServerContext
from catalog.chain import ChainEntries, CompiledChain, Overrides, compile_chain
from catalog.errors import Invalid
from catalog.queries import connect
from catalog.read import Read
from catalog.rows.connect import trust_domain
from catalog.tables import CONFIG_ENTRIES

CONFIG_INDEX = "config-entries"


class ChainGet(ReadRequest, frozen=True, kw_only=True):
    """The chain of a service, as seen from a datacenter (empty: the server's)."""

    service: str
    evaluate_in: str = ""
    overrides: Overrides = Overrides()


def get(read: Read, request: ChainGet, server: ServerContext) -> CompiledChain:
    """See ChainGet. Raises Invalid when there is no authority yet, whose names targets have."""
    read.depend(CONFIG_INDEX)
    configuration = connect.configuration(read)
    if configuration is None:
        raise Invalid("no cluster ca config setup")
    return compile_chain(
        request.service,
        request.evaluate_in or server.datacenter,
        trust_domain(configuration.cluster_id),
        ChainEntries.of(read.store.all(CONFIG_ENTRIES)),
        request.overrides,
    )
