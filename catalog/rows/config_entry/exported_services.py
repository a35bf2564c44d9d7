"""exported-services: which services other clusters may see. Since 1.11.

Seeing is not reaching: intentions still decide who may connect.
"""

from typing import Final

from typing_extensions import override

from catalog.errors import Invalid
from catalog.rows.config_entry.entry import Entry, quoted
from catalog.schema import Omit, Row

EXPORTED_SERVICES: Final = "exported-services"
WILDCARD: Final = "*"
PARTITION_DEFAULT: Final = "default"


class ServiceConsumer(Row, frozen=True, kw_only=True):
    """Who may see a service; one of the three."""

    partition: Omit[str] = ""
    peer: Omit[str] = ""
    sameness_group: Omit[str] = ""


class ExportedService(Row, frozen=True, kw_only=True):
    """A service, or ``*`` for all, and who may see it."""

    name: str = ""
    namespace: Omit[str] = ""
    consumers: tuple[ServiceConsumer, ...] | None = None


class ExportedServices(Entry, frozen=True, kw_only=True, tag=EXPORTED_SERVICES):
    """The exports of a partition, of which there is one: ``default``."""

    services: tuple[ExportedService, ...] | None = None

    @override
    def validate(self) -> None:
        super().validate()
        if self.name != PARTITION_DEFAULT:
            raise Invalid('exported-services Name must be "default"')
        for number, service in enumerate(self.services or ()):
            _validate_service(f"Services[{number}]", service)


def _validate_service(place: str, service: ExportedService) -> None:
    fault = ""
    if not service.name:
        fault = f"{place}: service name cannot be empty"
    elif WILDCARD in service.namespace and service.name != WILDCARD:
        fault = f"{place}: service name must be wildcard if namespace is wildcard"
    elif service.namespace not in {"", "default", WILDCARD}:
        fault = f"{place}: namespaces are an enterprise-only feature"
    elif not service.consumers:
        fault = f"{place}: must have at least one consumer"
    if fault:
        raise Invalid(fault)
    for number, consumer in enumerate(service.consumers or ()):
        fault = _consumer_fault(consumer)
        if fault:
            message = f"{place}.Consumers[{number}]: {fault}"
            raise Invalid(message)


def _consumer_fault(consumer: ServiceConsumer) -> str:
    given = (consumer.partition, consumer.peer, consumer.sameness_group)
    if sum(map(bool, given)) != 1:
        return "must define exactly one of Peer, Partition, or SamenessGroup"
    for what, name in (("partitions", consumer.partition), ("peers", consumer.peer)):
        if name == WILDCARD:
            return f"exporting to all {what} (wildcard) is not supported"
    if consumer.partition not in {"", PARTITION_DEFAULT}:
        return f"partitions are an enterprise-only feature, not {quoted(consumer.partition)}"
    if consumer.sameness_group:
        return "sameness-groups are an enterprise-only feature"
    return ""
