"""The settings of the authority: the map that users write, read and checked.

Those of every provider and the builtin one's; agent.connect.vault_settings reads Vault's own.

Keys are taken in the API's spelling, in any case, and with underscores; keys that are not known
are kept and have no effect. Source: Consul, built-in CA provider
(https://developer.hashicorp.com/consul/docs/connect/ca/consul).
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from agent.connect.keys import EC, EC_BITS, RSA, RSA_BITS, KeyKind
from catalog.duration import HOUR, format_duration, parse_duration
from catalog.errors import Invalid

BUILTIN: Final = "consul"
VAULT: Final = "vault"
HIDDEN: Final = "hidden"
"""What stands for a user's private key once it is stored; written back, it keeps the key."""
LEAF_TTL_NS_MIN: Final = HOUR  # below it, renewals are the main load
LEAF_TTL_NS_MAX: Final = 365 * 24 * HOUR  # a stolen key is of use for this long
INTERMEDIATE_LEAF_RATIO: Final = 3  # an intermediate outlives the leaves below it
ROOT_TTL_NS: Final = 10 * 365 * 24 * HOUR
DEFAULTS: Final[Mapping[str, Any]] = {
    "IntermediateCertTTL": "8760h",
    "LeafCertTTL": "72h",
    "RotationPeriod": "2160h",
}

_NAMES: Final = (
    "LeafCertTTL",
    "IntermediateCertTTL",
    "RotationPeriod",
    "RootCertTTL",
    "PrivateKey",
    "RootCert",
    "PrivateKeyType",
    "PrivateKeyBits",
    "CSRMaxPerSecond",
    "CSRMaxConcurrent",
    "SkipValidate",
    "DisableCrossSigning",
    "Address",
    "Token",
    "RootPKIPath",
    "IntermediatePKIPath",
    "Namespace",
    "CAFile",
    "CAPath",
    "CertFile",
    "KeyFile",
    "TLSServerName",
    "TLSSkipVerify",
    "AuthMethod",
)
_BY_FOLDED: Final = {name.lower(): name for name in _NAMES}
_METHOD_BY_FOLDED: Final = {name.lower(): name for name in ("Type", "MountPath", "Params")}


class AuthoritySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Times in nanoseconds; ``private_key`` and ``root_cert`` are PEM or empty."""

    leaf_cert_ttl_ns: int
    intermediate_cert_ttl_ns: int
    root_cert_ttl_ns: int = ROOT_TTL_NS
    private_key: str = ""
    root_cert: str = ""
    private_key_type: str = EC
    private_key_bits: int = 256
    csr_max_per_second: float = 50
    csr_max_concurrent: int = 0
    skip_validate: bool = False
    disable_cross_signing: bool = False

    @property
    def key_kind(self) -> KeyKind:
        """What new keys are made as."""
        return KeyKind(self.private_key_type, self.private_key_bits)


def canonical(config: Mapping[str, Any]) -> dict[str, Any]:
    """The map with known keys in the API's spelling and the defaults filled in."""
    given = {_BY_FOLDED.get(_folded(key), key): config[key] for key in config}
    given = {key: value for key, value in given.items() if value is not None}
    method = given.get("AuthMethod")
    if isinstance(method, Mapping):
        given["AuthMethod"] = {_METHOD_BY_FOLDED.get(_folded(k), k): method[k] for k in method}
    return dict(sorted({**DEFAULTS, **given}.items()))


def _folded(key: str) -> str:
    return key.replace("_", "").lower()


def read_settings(config: Mapping[str, Any]) -> AuthoritySettings:
    """The settings of a canonical map. Raises Invalid for what cannot be read or used."""
    settings = AuthoritySettings(
        leaf_cert_ttl_ns=duration(config, "LeafCertTTL"),
        intermediate_cert_ttl_ns=duration(config, "IntermediateCertTTL"),
        root_cert_ttl_ns=duration({"RootCertTTL": ROOT_TTL_NS, **config}, "RootCertTTL"),
        private_key=text(config, "PrivateKey"),
        root_cert=text(config, "RootCert"),
        private_key_type=text(config, "PrivateKeyType") or EC,
        private_key_bits=int(_number(config, "PrivateKeyBits", 256)),
        csr_max_per_second=_number(config, "CSRMaxPerSecond", 50),
        csr_max_concurrent=int(_number(config, "CSRMaxConcurrent", 0)),
        skip_validate=truth(config, "SkipValidate"),
        disable_cross_signing=truth(config, "DisableCrossSigning"),
    )
    if settings.private_key_type == RSA and "PrivateKeyBits" not in config:
        settings = msgspec.structs.replace(settings, private_key_bits=RSA_BITS[0])
    _validate(settings)
    return settings


def _validate(settings: AuthoritySettings) -> None:
    _validate_key(settings)
    if settings.root_cert and not settings.private_key:
        raise Invalid("must provide a private key when providing a root cert")
    leaf_ns = settings.leaf_cert_ttl_ns
    if settings.skip_validate and leaf_ns > 0:
        return
    if leaf_ns < LEAF_TTL_NS_MIN:
        shortest = format_duration(LEAF_TTL_NS_MIN)
        raise Invalid(f"leaf cert TTL must be greater or equal than {shortest}")
    if leaf_ns > LEAF_TTL_NS_MAX:
        raise Invalid(f"leaf cert TTL must be less than {format_duration(LEAF_TTL_NS_MAX)}")
    shortest_ns = INTERMEDIATE_LEAF_RATIO * leaf_ns
    if settings.intermediate_cert_ttl_ns < shortest_ns:
        raise Invalid(
            "Intermediate Cert TTL must be greater or equal than 3 * LeafCertTTL "
            f"(>={format_duration(shortest_ns)})."
        )
    if settings.root_cert_ttl_ns < settings.intermediate_cert_ttl_ns:
        raise Invalid(
            "Root Cert TTL must be greater or equal than IntermediateCertTTL "
            f"(>={format_duration(settings.intermediate_cert_ttl_ns)})."
        )


def _validate_key(settings: AuthoritySettings) -> None:
    # Not left out by SkipValidate: other keys cannot be made.
    if settings.private_key_type == EC:
        if settings.private_key_bits not in EC_BITS:
            raise Invalid("EC key length must be one of (224, 256, 384, 521) bits")
    elif settings.private_key_type == RSA:
        if settings.private_key_bits not in RSA_BITS:
            raise Invalid("RSA key length must be 2048 or 4096 bits")
    else:
        raise Invalid("private key type must be either 'ec' or 'rsa'")


def duration(config: Mapping[str, Any], name: str) -> int:
    """A setting that is a duration, in nanoseconds. Raises Invalid."""
    match config[name]:
        case str(written):
            try:
                return parse_duration(written)
            except ValueError as error:
                raise _undecodable(name, str(error)) from None
        case int(number) if not isinstance(number, bool):
            return number
        case _:
            raise _undecodable(name, 'expected a duration such as "72h"')


def text(config: Mapping[str, Any], name: str) -> str:
    """A setting that is a text; empty if it is not there. Raises Invalid."""
    value = config.get(name, "")
    if not isinstance(value, str):
        raise _undecodable(name, "expected a text")
    return value


def _number(config: Mapping[str, Any], name: str, default: float) -> float:
    value = config.get(name, default)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise _undecodable(name, "expected a number") from None


def truth(config: Mapping[str, Any], name: str) -> bool:
    """A setting that is on or off; off if it is not there. Raises Invalid."""
    value: object = config.get(name, False)
    if isinstance(value, bool):
        return value
    if value not in ("true", "false"):
        raise _undecodable(name, "expected true or false")
    return value == "true"


def _undecodable(name: str, why: str) -> Invalid:
    return Invalid(f"error decoding config: '{name}': {why}")
