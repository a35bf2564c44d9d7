"""mesh: what holds for the whole mesh. There is one such entry. Since 1.10."""

from typing import Final, Self

import msgspec
from typing_extensions import override

from catalog.errors import Invalid
from catalog.rows.config_entry.entry import Entry, validate_meta
from catalog.rows.config_entry.tls_settings import TLSParameters, validate_tls
from catalog.schema import Hidden, Omit, Row

MESH: Final = "mesh"
ESCAPED_SLASHES_ACTIONS: Final = (
    "",
    "IMPLEMENTATION_SPECIFIC_DEFAULT",
    "KEEP_UNCHANGED",
    "REJECT_REQUEST",
    "UNESCAPE_AND_REDIRECT",
    "UNESCAPE_AND_FORWARD",
)
UNDERSCORES_ACTIONS: Final = ("", "ALLOW", "REJECT_REQUEST", "DROP_HEADER")


class MeshTransparentProxy(Row, frozen=True, kw_only=True):
    """Whether captured traffic may leave the mesh."""

    mesh_destinations_only: bool = False


class MeshTLS(Row, frozen=True, kw_only=True):
    """TLS between proxies, by direction."""

    incoming: Omit[TLSParameters | None] = None
    outgoing: Omit[TLSParameters | None] = None


class RequestNormalization(Row, frozen=True, kw_only=True):
    """How paths and headers are made plain before an intention is decided on them."""

    insecure_disable_path_normalization: bool = False
    merge_slashes: bool = False
    path_with_escaped_slashes_action: str = ""
    headers_with_underscores_action: str = ""


class IncomingHTTP(Row, frozen=True, kw_only=True):
    """What is done with requests that come in."""

    request_normalization: Omit[RequestNormalization | None] = None


class MeshHTTP(Row, frozen=True, kw_only=True):
    """Whether proxies tell their application of the client's certificate, and more."""

    sanitize_x_forwarded_client_cert: bool = False
    incoming: Omit[IncomingHTTP | None] = None


class MeshPeering(Row, frozen=True, kw_only=True):
    """How servers of peered clusters reach each other."""

    peer_through_mesh_gateways: bool = False


class Mesh(Entry, frozen=True, kw_only=True, tag=MESH):
    """Settings of the mesh; its name is always ``mesh`` and is not shown.

    ``blank_protocol_is_tcp`` is not Consul's: it brings back Consul's rule that a service-defaults
    entry without a protocol means tcp, whatever proxy-defaults say. It lies here and not in the
    agents' configuration because every server must compile the same chains.
    """

    name: Hidden[str] = MESH
    transparent_proxy: MeshTransparentProxy = MeshTransparentProxy()
    allow_enabling_permissive_mutual_tls: Omit[bool] = msgspec.field(
        default=False, name="AllowEnablingPermissiveMutualTLS"
    )
    validate_clusters: Omit[bool] = False
    tls: Omit[MeshTLS | None] = None
    http: Omit[MeshHTTP | None] = None
    peering: Omit[MeshPeering | None] = None
    blank_protocol_is_tcp: Omit[bool] = False

    @property
    def normalization(self) -> RequestNormalization:
        """How requests that come in are made plain."""
        incoming = self.http and self.http.incoming
        return (incoming and incoming.request_normalization) or RequestNormalization()

    @override
    def normalized(self) -> Self:
        return msgspec.structs.replace(self, name=MESH)

    @override
    def validate(self) -> None:
        validate_meta(self.meta)
        tls = self.tls or MeshTLS()
        for direction, parameters in (("incoming", tls.incoming), ("outgoing", tls.outgoing)):
            if parameters is None:
                continue
            try:
                validate_tls(
                    parameters.tls_min_version, parameters.tls_max_version, parameters.cipher_suites
                )
            except Invalid as fault:
                message = f"error in {direction} TLS configuration: {fault}"
                raise Invalid(message) from None
        plain = self.normalization
        for field, action, allowed in (
            (
                "PathWithEscapedSlashesAction",
                plain.path_with_escaped_slashes_action,
                ESCAPED_SLASHES_ACTIONS,
            ),
            (
                "HeadersWithUnderscoresAction",
                plain.headers_with_underscores_action,
                UNDERSCORES_ACTIONS,
            ),
        ):
            if action not in allowed:
                message = (
                    "error in HTTP incoming request normalization configuration: "
                    f"{field} must be one of {', '.join(allowed[1:])}, not {action}"
                )
                raise Invalid(message)
