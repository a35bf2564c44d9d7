"""jwt-provider: whose tokens intentions may ask for, and how they are checked. Since 1.16."""

from base64 import b64decode
from binascii import Error as Base64Error
from typing import Final, Self
from urllib.parse import urlsplit

import msgspec
from typing_extensions import override

from catalog.errors import Invalid
from catalog.rows.config_entry.entry import Entry, Nanoseconds, errors_text, quoted
from catalog.schema import Omit, Row

JWT_PROVIDER: Final = "jwt-provider"
CLOCK_SKEW_DEFAULT_S: Final = 30
"""How far clocks may be apart where an entry does not say it."""
DISCOVERY_TYPES: Final = ("", "STRICT_DNS", "STATIC", "LOGICAL_DNS", "EDS", "ORIGINAL_DST")


class TrustedCA(Row, frozen=True, kw_only=True):
    """Where the authorities are that the key server's certificate is checked with; one of four."""

    filename: Omit[str] = ""
    environment_variable: Omit[str] = ""
    inline_string: Omit[str] = ""
    inline_bytes: Omit[str] = ""


class CertificateProviderInstance(Row, frozen=True, kw_only=True):
    """A provider of certificates that the proxy knows by name."""

    instance_name: Omit[str] = ""
    certificate_name: Omit[str] = ""


class KeyServerCertificates(Row, frozen=True, kw_only=True):
    """How the key server is recognised; one of two."""

    ca_certificate_provider_instance: Omit[CertificateProviderInstance | None] = msgspec.field(
        default=None, name="CaCertificateProviderInstance"
    )
    trusted_ca: Omit[TrustedCA | None] = None


class KeyServerCluster(Row, frozen=True, kw_only=True):
    """How the key server is found."""

    discovery_type: Omit[str] = ""
    tls_certificates: Omit[KeyServerCertificates | None] = None
    connect_timeout: Omit[Nanoseconds] = 0


class KeyRetryBackOff(Row, frozen=True, kw_only=True):
    """How long is waited before keys are asked for again."""

    base_interval: Omit[Nanoseconds] = 0
    max_interval: Omit[Nanoseconds] = 0


class KeyRetryPolicy(Row, frozen=True, kw_only=True):
    """How often keys are asked for again."""

    num_retries: Omit[int] = 0
    retry_policy_back_off: Omit[KeyRetryBackOff | None] = None


class RemoteKeys(Row, frozen=True, kw_only=True):
    """Keys that are fetched from a URI and kept for a while."""

    uri: Omit[str] = ""
    request_timeout_ms: Omit[int] = 0
    cache_duration: Omit[Nanoseconds] = 0
    fetch_asynchronously: Omit[bool] = False
    use_sni: Omit[bool] = False
    retry_policy: Omit[KeyRetryPolicy | None] = None
    jwks_cluster: Omit[KeyServerCluster | None] = msgspec.field(default=None, name="JWKSCluster")


class LocalKeys(Row, frozen=True, kw_only=True):
    """Keys that are here: a key set in base64, or the name of a file on every proxy's host."""

    jwks: Omit[str] = msgspec.field(default="", name="JWKS")
    filename: Omit[str] = ""


class KeySet(Row, frozen=True, kw_only=True):
    """A JSON Web Key Set; one of the two."""

    local: Omit[LocalKeys | None] = None
    remote: Omit[RemoteKeys | None] = None


class TokenHeader(Row, frozen=True, kw_only=True):
    """A header that holds the token behind a prefix; it is removed unless ``forward``."""

    name: Omit[str] = ""
    value_prefix: Omit[str] = ""
    forward: Omit[bool] = False


class TokenPlace(Row, frozen=True, kw_only=True):
    """A parameter of the query, or a cookie."""

    name: Omit[str] = ""


class TokenLocation(Row, frozen=True, kw_only=True):
    """Where a token is looked for; one of the three."""

    header: Omit[TokenHeader | None] = None
    query_param: Omit[TokenPlace | None] = None
    cookie: Omit[TokenPlace | None] = None


class Forwarding(Row, frozen=True, kw_only=True):
    """The header in which the application gets the claims, base64url with or without padding."""

    header_name: Omit[str] = ""
    pad_forward_payload_header: bool = False


class TokenCache(Row, frozen=True, kw_only=True):
    """How many checked tokens a proxy remembers; 0: none."""

    size: Omit[int] = 0


class JWTProvider(Entry, frozen=True, kw_only=True, tag=JWT_PROVIDER):
    """An issuer of tokens. Of ``audiences`` one must be the token's, if there are any."""

    json_web_key_set: Omit[KeySet | None] = msgspec.field(default=None, name="JSONWebKeySet")
    issuer: Omit[str] = ""
    audiences: Omit[tuple[str, ...] | None] = None
    locations: Omit[tuple[TokenLocation, ...] | None] = None
    forwarding: Omit[Forwarding | None] = None
    clock_skew_seconds: Omit[int] = 0
    cache_config: Omit[TokenCache | None] = None

    @override
    def normalized(self) -> Self:
        skew = self.clock_skew_seconds or CLOCK_SKEW_DEFAULT_S
        return msgspec.structs.replace(self, clock_skew_seconds=skew)

    @override
    def validate(self) -> None:
        super().validate()
        fault = _keys_fault(self.json_web_key_set)
        if fault:
            raise Invalid(fault)
        faults = [fault for fault in map(_location_fault, self.locations or ()) if fault]
        if faults:
            raise Invalid(errors_text(faults))
        if self.forwarding is not None and not self.forwarding.header_name:
            raise Invalid("Header name required for forwarding config")
        if self.clock_skew_seconds < 0:
            raise Invalid("ClockSkewSeconds must be >= 0")
        if self.cache_config is not None and self.cache_config.size < 0:
            raise Invalid("CacheConfig.Size must be >= 0")


def _keys_fault(keys: KeySet | None) -> str:
    if keys is None:
        return "JSONWebKeySet is required"
    if (keys.local is None) == (keys.remote is None):
        return "must specify exactly one of Local or Remote JSON Web key set"
    if keys.local is not None:
        return _local_fault(keys.local)
    assert keys.remote is not None
    return _remote_fault(keys.remote)


def _local_fault(keys: LocalKeys) -> str:
    if bool(keys.jwks) == bool(keys.filename):
        return "must specify exactly one of String or filename for local keyset"
    try:
        b64decode(keys.jwks, validate=True)
    except (Base64Error, ValueError):
        return "JWKS must be valid base64 encoded string"
    return ""


def _remote_fault(keys: RemoteKeys) -> str:
    if not keys.uri:
        return "Remote JWKS URI is required"
    try:
        parsed = urlsplit(keys.uri)
    except ValueError as fault:
        return f"Remote JWKS URI is invalid: {fault}, uri: {keys.uri}"
    if parsed.scheme not in {"http", "https"} or not parsed.netloc:
        return (
            f"Remote JWKS URI is invalid: it must begin with http:// or https://, uri: {keys.uri}"
        )
    back_off = keys.retry_policy and keys.retry_policy.retry_policy_back_off
    if back_off and 0 < back_off.max_interval < back_off.base_interval:
        return "retry policy backoff's MaxInterval should be greater or equal to BaseInterval"
    return _cluster_fault(keys.jwks_cluster) if keys.jwks_cluster else ""


def _cluster_fault(cluster: KeyServerCluster) -> str:
    if cluster.discovery_type not in DISCOVERY_TYPES:
        return f"unsupported jwks cluster discovery type: {quoted(cluster.discovery_type)}"
    certificates = cluster.tls_certificates
    if certificates is None:
        return ""
    trusted = certificates.trusted_ca
    if (certificates.ca_certificate_provider_instance is None) == (trusted is None):
        return (
            "must specify exactly one of: CaCertificateProviderInstance or TrustedCA for JKWS' "
            "TLSCertificates"
        )
    if trusted is not None:
        places = (
            trusted.filename,
            trusted.environment_variable,
            trusted.inline_string,
            trusted.inline_bytes,
        )
        if sum(map(bool, places)) != 1:
            return (
                "must specify exactly one of: Filename, EnvironmentVariable, InlineString or "
                "InlineBytes for JWKS' TrustedCA"
            )
    return ""


def _location_fault(location: TokenLocation) -> str:
    places = {
        "header": location.header,
        "query param": location.query_param,
        "cookie": location.cookie,
    }
    given = {what: place for what, place in places.items() if place is not None}
    if len(given) != 1:
        return "must set exactly one of: JWT location header, query param or cookie"
    for what, place in given.items():
        if not place.name:
            return f"JWT location {what} name must be specified"
    return ""
