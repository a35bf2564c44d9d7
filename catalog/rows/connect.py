"""The certificate authority of the mesh. Source: Consul API, /v1/connect/ca.

Private keys live in a table of their own, CASigner, that no endpoint reads out: a root can be shown
as it is.
"""

from typing import Any

from catalog.schema import Hidden, Row


class CARoot(Row, frozen=True, kw_only=True):
    """A root certificate that members of the mesh trust.

    ``id`` is the SHA-1 of the certificate and ``signing_key_id`` the SHA-256 of its public key, in
    hexadecimal pairs with colons; times are RFC 3339 text, certificates PEM.
    ``intermediate_certs`` lead from this root's key to the root before it. ``rotated_out_s`` is
    when the root ceased to be the active one, in seconds since the epoch; 0 while it is active.
    """

    id: str
    name: str
    serial_number: int
    signing_key_id: str
    external_trust_domain: str
    not_before: str
    not_after: str
    root_cert: str
    intermediate_certs: tuple[str, ...] | None = None
    active: bool = False
    private_key_type: str
    private_key_bits: int
    rotated_out_s: Hidden[float] = 0.0
    create_index: int = 0
    modify_index: int = 0


class CASigner(Row, frozen=True, kw_only=True):
    """The private key of a root (PEM), by the root's id."""

    root_id: str
    private_key: Hidden[str]


class CAConfiguration(Row, frozen=True, kw_only=True):
    """The provider and its settings. ``cluster_id`` is drawn once and names the trust domain."""

    cluster_id: Hidden[str] = ""
    provider: str = ""
    config: dict[str, Any]
    state: dict[str, str] | None = None
    force_without_cross_signing: bool = False
    create_index: int = 0
    modify_index: int = 0


class CASerial(Row, frozen=True, kw_only=True):
    """The last serial number that a certificate got."""

    last: int


class CARoots(Row, frozen=True, kw_only=True):
    """All roots, as the API shows them; ``trust_domain`` includes ``.consul``."""

    active_root_id: str
    trust_domain: str
    roots: tuple[CARoot, ...]


class IssuedCertificate(Row, frozen=True, kw_only=True):
    """A certificate of a service and, once its agent has added it, the private key (both PEM).

    ``serial_number`` is hexadecimal pairs with colons, times are RFC 3339 text.
    """

    serial_number: str
    cert_pem: str
    private_key_pem: str = ""
    service: str
    service_uri: str
    valid_after: str
    valid_before: str
    create_index: int = 0
    modify_index: int = 0


def trust_domain(cluster_id: str) -> str:
    """The trust domain of a cluster."""
    return f"{cluster_id}.consul"
