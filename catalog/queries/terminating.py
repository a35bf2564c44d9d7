"""Terminating gateways that speak for a service.

They stand beside its sidecars, so that it may move into the mesh one instance after the other.
Source: Consul, terminating gateways.
"""

from typing import Final

from catalog.rows.config_entry import TERMINATING_GATEWAY, TerminatingGateway
from catalog.rows.service import KIND_TERMINATING_GATEWAY, KIND_TYPICAL, ServiceInstance
from catalog.store import Store
from catalog.tables import CONFIG_ENTRIES, SERVICES

WILDCARD: Final = "*"


def gateway_instances(store: Store, service: str) -> list[ServiceInstance]:
    """The instances of the gateways that are linked to a service, by name or by ``*``.

    The wildcard stands for a service only while it has instances. Who reads this depends on the
    index of the kind, which moves with the gateways and with their config entries.
    """
    entries = store.find(CONFIG_ENTRIES, "kind", TERMINATING_GATEWAY)
    if not entries:
        return []
    names = {service.lower()}
    members = store.find(SERVICES, "service", service.lower())
    if any(member.service.kind == KIND_TYPICAL for member in members):
        names.add(WILDCARD)
    return [
        instance
        for entry in entries
        if isinstance(entry, TerminatingGateway)
        and not names.isdisjoint(link.name.lower() for link in entry.services or ())
        for instance in store.find(SERVICES, "service", entry.name.lower())
        if instance.service.kind == KIND_TERMINATING_GATEWAY
    ]
