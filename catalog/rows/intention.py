"""One intention as the API shows it. Source: Consul API, /v1/connect/intentions.

Intentions are not stored: they are a view of the sources of ``service-intentions`` entries.
"""

from typing import Final

import msgspec

from catalog.rows.config_entry.service_intentions import CONSUL, JWTRequirement, Permission
from catalog.schema import Omit, Row, Unfiltered

DEFAULT_NAMESPACE: Final = "default"


class Intention(Row, frozen=True, kw_only=True):
    """Whether a source may connect to a destination; either may be ``*``.

    ``jwt`` is asked of every request, whatever its source; a source with a peer is a service of
    that peer. Times are RFC 3339 text and, like ``id``, ``meta`` and ``hash``, belong only to
    intentions that were made by their own endpoint. The indexes are those of the config entry.
    """

    id: Omit[str] = ""
    description: Omit[str] = ""
    source_ns: str = DEFAULT_NAMESPACE
    source_name: str = ""
    source_peer: Unfiltered[Omit[str]] = ""
    destination_ns: str = DEFAULT_NAMESPACE
    destination_name: str = ""
    source_type: str = CONSUL
    action: Omit[str] = ""
    permissions: Unfiltered[Omit[tuple[Permission, ...] | None]] = None
    jwt: Unfiltered[Omit[JWTRequirement | None]] = msgspec.field(default=None, name="JWT")
    meta: Omit[dict[str, str] | None] = None
    precedence: int = 0
    created_at: Unfiltered[Omit[str]] = ""
    updated_at: Unfiltered[Omit[str]] = ""
    hash: Unfiltered[Omit[str]] = ""
    create_index: Unfiltered[int] = 0
    modify_index: Unfiltered[int] = 0
