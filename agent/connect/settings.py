"""The settings of the builtin authority: the map that users write, read and checked.

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

PROVIDER: Final = "consul"
HIDDEN: Final = "hidden"
"""What stands for a user's private key once it is stored; written back, it keeps the key."""
LEAF_TTL_NS_MIN: Final = HOUR  # below it, renewals are the main load
LEAF_TTL_NS_MAX: Final = 365 * 24 * HOUR  # a stolen key is of use for this long
INTERMEDIATE_LEAF_RATIO: Final = 3  # an intermediate outlives the leaves below it
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
)
_BY_FOLDED: Final = {name.lower(): name for name in _NAMES}


class AuthoritySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Times in nanoseconds; ``private_key`` and ``root_cert`` are PEM or empty."""

    leaf_cert_ttl_ns: int
    intermediate_cert_ttl_ns: int
    private_key: str = ""
    root_cert: str = ""
    private_key_type: str = EC
    private_key_bits: int = 256
    csr_max_per_second: float = 50
    skip_validate: bool = False
    disable_cross_signing: bool = False

    @property
    def key_kind(self) -> KeyKind:
        """What new keys are made as."""
        return KeyKind(self.private_key_type, self.private_key_bits)


def canonical(config: Mapping[str, Any]) -> dict[str, Any]:
    """The map with known keys in the API's spelling and the defaults filled in."""
    given = {_BY_FOLDED.get(key.replace("_", "").lower(), key): config[key] for key in config}
    given = {key: value for key, value in given.items() if value is not None}
    return dict(sorted({**DEFAULTS, **given}.items()))


def read_settings(config: Mapping[str, Any]) -> AuthoritySettings:
    """The settings of a canonical map. Raises Invalid for what cannot be read or used."""
    settings = AuthoritySettings(
        leaf_cert_ttl_ns=_duration(config, "LeafCertTTL"),
        intermediate_cert_ttl_ns=_duration(config, "IntermediateCertTTL"),
        private_key=_text(config, "PrivateKey"),
        root_cert=_text(config, "RootCert"),
        private_key_type=_text(config, "PrivateKeyType") or EC,
        private_key_bits=int(_number(config, "PrivateKeyBits", 256)),
        csr_max_per_second=_number(config, "CSRMaxPerSecond", 50),
        skip_validate=_truth(config, "SkipValidate"),
        disable_cross_signing=_truth(config, "DisableCrossSigning"),
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


def _duration(config: Mapping[str, Any], name: str) -> int:
    match config[name]:
        case str(text):
            try:
                return parse_duration(text)
            except ValueError as error:
                raise _undecodable(name, str(error)) from None
        case int(number) if not isinstance(number, bool):
            return number
        case _:
            raise _undecodable(name, 'expected a duration such as "72h"')


def _text(config: Mapping[str, Any], name: str) -> str:
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


def _truth(config: Mapping[str, Any], name: str) -> bool:
    value: object = config.get(name, False)
    if isinstance(value, bool):
        return value
    if value not in ("true", "false"):
        raise _undecodable(name, "expected true or false")
    return value == "true"


def _undecodable(name: str, why: str) -> Invalid:
    return Invalid(f"error decoding config: '{name}': {why}")
