"""The certificate authority of the mesh. Source: Consul API, /v1/connect/ca.

Private keys live in a table of their own, CASigner, that no endpoint reads out: a root can be shown
as it is.
"""

import re
from typing import Any, Final
from urllib.parse import quote

from catalog.schema import Hidden, Omit, Row

SERIAL_DIGITS_MAX: Final = 40  # 20 bytes, the longest serial number (RFC 5280, 4.1.2.2)
_SEPARATORS: Final = re.compile(r"[:-]")
_SERIAL: Final = re.compile(rf"[0-9a-f]{{1,{SERIAL_DIGITS_MAX}}}")


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
    """The provider and its settings. ``cluster_id`` is drawn once and names the trust domain.

    ``secrets`` are settings that are not shown, by where they stand; they leave no server.
    """

    cluster_id: Hidden[str] = ""
    secrets: Hidden[dict[str, str] | None] = None
    provider: str = ""
    config: dict[str, Any]
    state: dict[str, str] | None = None
    force_without_cross_signing: bool = False
    create_index: int = 0
    modify_index: int = 0


class CASerial(Row, frozen=True, kw_only=True):
    """The last serial number that a certificate got."""

    last: int


class CALeaf(Row, frozen=True, kw_only=True):
    """A leaf that was signed: its serial number, whom it is about and below which root it is.

    ``serial`` is hexadecimal pairs with colons, ``uri`` a SPIFFE id, ``root_id`` a root's id;
    ``expires_at_s`` is in seconds since the epoch.
    """

    serial: str
    uri: str
    root_id: str
    expires_at_s: float
    create_index: int = 0


class CARevocation(Row, frozen=True, kw_only=True):
    """A leaf that is refused although it has not ended, by its serial number.

    ``serial`` is hexadecimal pairs with colons; ``uri`` is empty for a leaf that is not known here.
    Times are seconds since the epoch: nobody needs the row after ``expires_at_s``, when the leaf
    has ended by itself.
    """

    serial: str
    uri: str = ""
    reason: str = ""
    revoked_at_s: float
    expires_at_s: float
    create_index: int = 0
    modify_index: int = 0


class CARoots(Row, frozen=True, kw_only=True):
    """All roots, as the API shows them; ``trust_domain`` includes ``.consul``."""

    active_root_id: str
    trust_domain: str
    roots: tuple[CARoot, ...]


class IssuedCertificate(Row, frozen=True, kw_only=True):
    """A certificate of a leaf and, once its agent has added it, the private key (both PEM).

    ``serial_number`` is hexadecimal pairs with colons, times are RFC 3339 text. It is about a
    service, an agent, or a kind of gateway; the others are empty.
    """

    serial_number: str
    cert_pem: str
    private_key_pem: str = ""
    service: Omit[str] = ""
    service_uri: Omit[str] = ""
    agent: Omit[str] = ""
    agent_uri: Omit[str] = ""
    kind: Omit[str] = ""
    kind_uri: Omit[str] = ""
    valid_after: str
    valid_before: str
    create_index: int = 0
    modify_index: int = 0


def serial_of(text: str) -> str:
    """A serial number in the one form that is stored: ``0A-1B`` or ``a1b`` -> ``0a:1b``.

    Raises ValueError, which says what is allowed.
    """
    digits = _SEPARATORS.sub("", text.strip()).lower()
    if not _SERIAL.fullmatch(digits):
        message = (
            f"invalid certificate serial number {text[:SERIAL_DIGITS_MAX]!r}: expected 1 to "
            f"{SERIAL_DIGITS_MAX} hexadecimal digits, such as 0a:1b"
        )
        raise ValueError(message)
    return int(digits, 16).to_bytes((len(digits.lstrip("0")) + 1) // 2 or 1, "big").hex(":")


def service_uri(domain: str, datacenter: str, service: str) -> str:
    """The SPIFFE id of a service in a trust domain. Source: Consul, service identities."""
    parts = (quote(part, safe="") for part in (datacenter, service))
    return "spiffe://{}/ns/default/dc/{}/svc/{}".format(domain, *parts)


def trust_domain(cluster_id: str) -> str:
    """The trust domain of a cluster."""
    return f"{cluster_id}.consul"
