"""tcp-route: attaches a service to a listener of an API gateway. Since 1.15."""

from typing import Any, Final, Self

import msgspec
from typing_extensions import override

from catalog.errors import Invalid
from catalog.rows.config_entry.api_gateway import API_GATEWAY
from catalog.rows.config_entry.entry import Entry, quoted
from catalog.schema import Omit, Row

TCP_ROUTE: Final = "tcp-route"


class RouteParent(Row, frozen=True, kw_only=True):
    """A gateway, and one of its listeners (empty: all)."""

    kind: str = ""
    name: str = ""
    section_name: Omit[str] = ""


class TCPRouteService(Row, frozen=True, kw_only=True):
    """The service that gets the connections."""

    name: str = ""


class TCPRoute(Entry, frozen=True, kw_only=True, tag=TCP_ROUTE):
    """A route of whole connections. ``status`` is read past."""

    parents: tuple[RouteParent, ...] | None = None
    services: tuple[TCPRouteService, ...] | None = None
    status: Omit[dict[str, Any] | None] = None

    @override
    def normalized(self) -> Self:
        return msgspec.structs.replace(self, parents=with_kind(self.parents), status=None)

    @override
    def validate(self) -> None:
        super().validate()
        validate_parents(self.parents or ())
        if len(self.services or ()) > 1:
            raise Invalid("tcp-route currently only supports one service")
        for service in self.services or ():
            if not service.name:
                raise Invalid("Service name cannot be blank")


def with_kind(parents: tuple[RouteParent, ...] | None) -> tuple[RouteParent, ...] | None:
    """Parents without a kind are API gateways."""
    return parents and tuple(
        msgspec.structs.replace(parent, kind=parent.kind or API_GATEWAY) for parent in parents
    )


def validate_parents(parents: tuple[RouteParent, ...]) -> None:
    """Raise Invalid for a parent that is no gateway or is named twice."""
    seen: set[RouteParent] = set()
    for parent in parents:
        if parent.kind != API_GATEWAY:
            message = f"unsupported parent kind: {quoted(parent.kind)}, must be '{API_GATEWAY}'"
            raise Invalid(message)
        if not parent.name:
            raise Invalid("parent name cannot be blank")
        if parent in seen:
            message = f"route parent {quoted(parent.name)} is named more than once"
            raise Invalid(message)
        seen.add(parent)
