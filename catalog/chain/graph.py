"""Refuse a change of config entries that some service could not live with.

Every chain that the changed entry has a part in is compiled again; gateways and intentions must fit
the protocols that result.
"""

from collections.abc import Iterable
from typing import Final

from catalog.chain.compile import compile_chain
from catalog.chain.compiled import is_http_like
from catalog.chain.entries import ChainEntries
from catalog.chain.errors import GraphError
from catalog.chain.needs import check_mutual_tls, check_providers
from catalog.rows.config_entry import (
    INGRESS_GATEWAY,
    MESH,
    PROXY_DEFAULTS,
    SERVICE_DEFAULTS,
    SERVICE_RESOLVER,
    SERVICE_ROUTER,
    SERVICE_SPLITTER,
    TERMINATING_GATEWAY,
    ConfigEntry,
    IngressGateway,
    ServiceIntentions,
    TerminatingGateway,
)
from catalog.rows.config_entry.entry import quoted

# Names that no text shows: only whether the chain compiles is asked.
_DATACENTER: Final = "dc1"
_TRUST_DOMAIN: Final = "trust-domain.consul"
_CHAIN_KINDS: Final = frozenset(
    {SERVICE_DEFAULTS, SERVICE_ROUTER, SERVICE_SPLITTER, SERVICE_RESOLVER}
)


def check_graph(
    entries: Iterable[ConfigEntry], kind: str, name: str, before: ConfigEntry | None = None
) -> None:
    """Raise GraphError if the entry of ``kind`` and ``name`` cannot be what it now is.

    ``entries`` are all entries as they are after the change, of which the entry may be gone;
    ``before`` is the entry as it was.
    """
    after = tuple(entries)
    _refuse_clash(after, kind, name)
    check_mutual_tls(after, kind, name, before)
    check_providers(after, kind, name)
    lookup = ChainEntries.of(after)
    affected = _affected(lookup, after, kind, name)
    protocols = {
        service: compile_chain(shown, _DATACENTER, _TRUST_DOMAIN, lookup).protocol
        for service, shown in sorted(affected.items())
    }
    for entry in after:
        match entry:
            case IngressGateway():
                _check_ingress(entry, protocols)
            case ServiceIntentions():
                _check_intentions(entry, protocols)
            case _:
                pass


def _affected(
    lookup: ChainEntries, after: Iterable[ConfigEntry], kind: str, name: str
) -> dict[str, str]:
    """The services whose chains, listeners or intentions a change of an entry can spoil.

    Keys are in lower case, as names are compared; values are as they are written.
    """
    if kind in {PROXY_DEFAULTS, MESH}:
        chains = (lookup.services, lookup.routers, lookup.splitters, lookup.resolvers)
        affected = {key: entry.name for of_kind in chains for key, entry in of_kind.items()}
        for entry in after:
            affected.update((service.lower(), service) for service in _services_of(entry))
        return affected
    if kind in _CHAIN_KINDS:
        references = lookup.references()
        affected = {}
        pending = [name]
        while pending:
            service = pending.pop()
            if service.lower() not in affected:
                affected[service.lower()] = service
                pending.extend(references.get(service.lower(), ()))
        return affected
    changed = (entry for entry in after if entry.kind == kind and entry.name == name)
    return {service.lower(): service for entry in changed for service in _services_of(entry)}


def _services_of(entry: ConfigEntry) -> set[str]:
    """The services whose protocol an ingress gateway or an intention depends on."""
    match entry:
        case IngressGateway():
            return {
                service.name
                for listener in entry.listeners or ()
                for service in listener.services or ()
                if service.name != "*"
            }
        case ServiceIntentions():
            needs = any(source.permissions for source in entry.sources or ())
            return {entry.name} if needs else set()
        case _:
            return set()


def _check_ingress(gateway: IngressGateway, protocols: dict[str, str]) -> None:
    for listener in gateway.listeners or ():
        for service in listener.services or ():
            protocol = protocols.get(service.name.lower(), listener.protocol)
            if protocol != listener.protocol:
                message = (
                    f"service {quoted(service.name)} has protocol {quoted(protocol)}, which is "
                    f"incompatible with listener protocol {quoted(listener.protocol)}"
                )
                raise GraphError(message)


def _check_intentions(entry: ServiceIntentions, protocols: dict[str, str]) -> None:
    protocol = protocols.get(entry.name.lower())
    if protocol is None or is_http_like(protocol):
        return
    if any(source.permissions for source in entry.sources or ()):
        message = (
            f"service {quoted(entry.name)} has protocol {quoted(protocol)}, which is incompatible "
            "with L7 intentions permissions"
        )
        raise GraphError(message)


def _refuse_clash(after: Iterable[ConfigEntry], kind: str, name: str) -> None:
    """A name belongs to one kind of gateway."""
    if kind not in {INGRESS_GATEWAY, TERMINATING_GATEWAY}:
        return
    kinds = {
        entry.kind
        for entry in after
        if isinstance(entry, IngressGateway | TerminatingGateway)
        and entry.name.lower() == name.lower()
    }
    for other in kinds - {kind}:
        if kind in kinds:
            message = (
                f"cannot create a {quoted(kind)} config entry with name {quoted(name)}, a "
                f"{quoted(other)} config entry with that name already exists"
            )
            raise GraphError(message)
