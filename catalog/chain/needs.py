"""What an entry needs another one for: tokens their provider, permissive TLS its permission."""

from collections.abc import Iterable

from catalog.chain.errors import GraphError
from catalog.rows.config_entry import (
    JWT_PROVIDER,
    PROXY_DEFAULTS,
    SERVICE_DEFAULTS,
    SERVICE_INTENTIONS,
    ConfigEntry,
    JWTProvider,
    Mesh,
    ProxyDefaults,
    ServiceDefaults,
    ServiceIntentions,
)
from catalog.rows.config_entry.entry import errors_text
from catalog.rows.config_entry.proxy_settings import PERMISSIVE


def check_providers(after: Iterable[ConfigEntry], kind: str, name: str) -> None:
    """Raise GraphError if an intention names a jwt-provider that is not there, or no more.

    ``after`` are all entries after the change of the one of ``kind`` and ``name``.
    """
    if kind not in {SERVICE_INTENTIONS, JWT_PROVIDER}:
        return
    entries = tuple(after)
    known = {entry.name for entry in entries if isinstance(entry, JWTProvider)}
    for entry in entries:
        if not isinstance(entry, ServiceIntentions):
            continue
        if kind == JWT_PROVIDER and name not in known and name in entry.jwt_providers:
            message = (
                "cannot delete jwt provider config entry, referenced by an intention. "
                f"Provider name: {name}, intention name: {entry.name}"
            )
            raise GraphError(message)
        missing = sorted(entry.jwt_providers - known)
        if kind == SERVICE_INTENTIONS and entry.name == name and missing:
            faults = [
                f"Referenced JWT Provider does not exist. Provider Name: {provider}"
                for provider in missing
            ]
            raise GraphError(errors_text(faults))


def check_mutual_tls(
    after: Iterable[ConfigEntry], kind: str, name: str, before: ConfigEntry | None
) -> None:
    """Raise GraphError for a change to permissive TLS that the mesh entry does not allow.

    What was permissive before stays so.
    """
    if kind not in {PROXY_DEFAULTS, SERVICE_DEFAULTS}:
        return
    allowed = False
    permissive = False
    for entry in after:
        match entry:
            case Mesh():
                allowed = entry.allow_enabling_permissive_mutual_tls
            case ProxyDefaults() | ServiceDefaults() if (entry.kind, entry.name) == (kind, name):
                permissive = entry.mutual_tls_mode == PERMISSIVE
            case _:
                pass
    was = isinstance(before, ProxyDefaults | ServiceDefaults) and (
        before.mutual_tls_mode == PERMISSIVE
    )
    if permissive and not (was or allowed):
        message = (
            "cannot set MutualTLSMode=permissive because AllowEnablingPermissiveMutualTLS=false "
            "in the mesh config entry"
        )
        raise GraphError(message)
