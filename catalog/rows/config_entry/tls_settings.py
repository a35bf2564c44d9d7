"""Versions and cipher suites of TLS, as gateways and the mesh name them."""

from typing import Final

from catalog.errors import Invalid
from catalog.schema import Omit, Row

TLS_AUTO: Final = "TLS_AUTO"
TLS_VERSIONS: Final = (TLS_AUTO, "TLSv1_0", "TLSv1_1", "TLSv1_2", "TLSv1_3")
_TLS13: Final = "TLSv1_3"
CIPHER_SUITES: Final = (
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
)


class TLSParameters(Row, frozen=True, kw_only=True):
    """Versions (empty: the proxy's own) and, up to 1.2, the suites that may be agreed on."""

    tls_min_version: Omit[str] = ""
    tls_max_version: Omit[str] = ""
    cipher_suites: Omit[tuple[str, ...] | None] = None


def validate_tls(minimum: str, maximum: str, suites: tuple[str, ...] | None) -> None:
    """Raise Invalid for an unknown version or suite, or for ones that exclude each other."""
    for version in (minimum, maximum):
        if version and version not in TLS_VERSIONS:
            message = f"unknown TLS version {version}, must be one of {', '.join(TLS_VERSIONS)}"
            raise Invalid(message)
    known = {minimum, maximum}.isdisjoint({"", TLS_AUTO})
    if known and TLS_VERSIONS.index(maximum) < TLS_VERSIONS.index(minimum):
        message = (
            f"configuring max version {maximum} less than the configured min version {minimum} "
            "is invalid"
        )
        raise Invalid(message)
    if suites and minimum == _TLS13:
        raise Invalid("configuring CipherSuites is only applicable to connections up to TLS 1.2")
    for suite in suites or ():
        if suite not in CIPHER_SUITES:
            message = f"unknown cipher suite {suite}, must be one of {', '.join(CIPHER_SUITES)}"
            raise Invalid(message)
