"""terminating-gateway: services outside the mesh that a gateway reaches for it."""

from typing import Final

from typing_extensions import override

from catalog.errors import Invalid
from catalog.rows.config_entry.entry import Entry, quoted
from catalog.schema import Omit, Row

TERMINATING_GATEWAY: Final = "terminating-gateway"


class LinkedService(Row, frozen=True, kw_only=True):
    """A service and the files with which it is dialled; ``*`` is every service."""

    name: str = ""
    ca_file: Omit[str] = ""
    cert_file: Omit[str] = ""
    key_file: Omit[str] = ""
    sni: Omit[str] = ""
    disable_auto_host_rewrite: Omit[bool] = False


class TerminatingGateway(Entry, frozen=True, kw_only=True, tag=TERMINATING_GATEWAY):
    """The services of a gateway."""

    services: Omit[tuple[LinkedService, ...] | None] = None

    @override
    def validate(self) -> None:
        super().validate()
        seen: set[str] = set()
        for service in self.services or ():
            if not service.name:
                raise Invalid("Service name cannot be blank.")
            if service.name in seen:
                message = (
                    f"Service {quoted(service.name)} was specified more than once "
                    "within a namespace"
                )
                raise Invalid(message)
            seen.add(service.name)
            files = (service.ca_file, service.cert_file, service.key_file)
            if (service.cert_file or service.key_file) and not all(files):
                message = (
                    f"Service {quoted(service.name)} must have a CertFile, CAFile, and KeyFile "
                    "specified for TLS origination"
                )
                raise Invalid(message)
