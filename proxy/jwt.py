"""Tokens of requests: found, verified, and what is passed on of them. Source: RFC 7515, RFC 7519,
RFC 8725; Consul, jwt-provider; Envoy's jwt_authn.

Only asymmetric signatures count: a key set is public, so "none" and HMAC are refused whatever a
token says. PyJWT is loaded on the first token, since most proxies never see one; the clock for
``exp``, ``nbf`` and ``iat`` is its own.
Failure: what is no valid token gives no claims; `proxy.core.authorize` then says what is missing.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

import msgspec

from proxy.api import JwtLocation, JwtProvider
from proxy.core.claims import Claims
from proxy.core.request import RequestFacts
from proxy.http import RequestHead

if TYPE_CHECKING:
    from jwt.algorithms import AllowedPublicKeys
    from jwt.types import Options

TOKEN_BYTES_MAX: Final = 16_384  # larger than any cookie or sensible header; bounds the parsing
KEYS_TRIED_MAX: Final = 8  # of a token that names none: each try is a signature check
TOKENS_TRIED_MAX: Final = 4  # of one request and provider: one for each place it may be at
KEY_SETS_MAX: Final = 64  # providers of all policies of a worker; parsing one takes milliseconds
DEFAULT_LOCATIONS: Final = (
    JwtLocation(header="Authorization", value_prefix="Bearer "),
    JwtLocation(query_param="access_token"),
)
_ALGORITHMS: Final = {
    "RSA": frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    "P-256": frozenset({"ES256"}),
    "P-384": frozenset({"ES384"}),
    "P-521": frozenset({"ES512"}),
    "Ed25519": frozenset({"EdDSA"}),
    "Ed448": frozenset({"EdDSA"}),
}
"""What each kind of key signs with: a token cannot choose another way to use it."""

_log = logging.getLogger("proxy.jwt")


class Verified(msgspec.Struct, frozen=True):
    """Claims by provider, and how the request is changed before it is passed on.

    ``remove``: lower-case header names; ``add``: headers, after removing. ``drop_parameters``: of
    the query, which hold tokens.
    """

    claims: Mapping[str, Claims] = {}
    remove: frozenset[bytes] = frozenset()
    add: tuple[tuple[bytes, bytes], ...] = ()
    drop_parameters: frozenset[bytes] = frozenset()


NOTHING: Final = Verified()


def verify(providers: Sequence[JwtProvider], facts: RequestFacts) -> Verified:
    """Verify what tokens the request has for these providers. Never raises."""
    if not providers:
        return NOTHING
    claims: dict[str, Claims] = {}
    remove: set[bytes] = set()
    passed_on: list[tuple[bytes, bytes]] = []
    drop_parameters: set[bytes] = set()
    for provider in providers:
        forward = provider.forward_header.lower().encode()
        if forward:
            remove.add(forward)  # nobody else may say what a token said
        for location, token in _tokens(provider, facts):
            if (found := _verified(provider, token)) is None:
                continue
            claims[provider.name] = found
            if location.header and not location.forward:
                remove.add(location.header.lower().encode())
            elif location.query_param:
                drop_parameters.add(location.query_param.encode())
            if forward:
                passed_on.append((forward, _payload(token, pad=provider.pad_forward_header)))
            break
    return Verified(claims, frozenset(remove), tuple(passed_on), frozenset(drop_parameters))


def shown(providers: Sequence[JwtProvider], target: bytes) -> bytes:
    """A target as logs and taps may show it: without what may be a token, valid or not."""
    if b"?" not in target:
        return target
    names = (
        location.query_param.encode()
        for provider in providers
        for location in provider.locations or DEFAULT_LOCATIONS
        if location.query_param
    )
    return _without_parameters(target, frozenset(names))


def apply(verified: Verified, head: RequestHead) -> None:
    """Change a request as verifying it demands: tokens that end here go, payloads come."""
    if verified.remove:
        head.headers = [field for field in head.headers if field[0].lower() not in verified.remove]
    head.headers.extend(verified.add)
    if verified.drop_parameters:
        head.target = _without_parameters(head.target, verified.drop_parameters)


def _tokens(provider: JwtProvider, facts: RequestFacts) -> Iterator[tuple[JwtLocation, bytes]]:
    tried = 0
    for location in provider.locations or DEFAULT_LOCATIONS:
        token = _token_at(location, facts)
        if token and len(token) <= TOKEN_BYTES_MAX and tried < TOKENS_TRIED_MAX:
            tried += 1
            yield location, token


def _token_at(location: JwtLocation, facts: RequestFacts) -> bytes | None:
    if location.header:
        value = facts.header(location.header.lower().encode())
        prefix = location.value_prefix.encode()
        if value is None or not value.startswith(prefix):
            return None
        return value[len(prefix) :].strip()
    if location.query_param:
        return facts.parameter(location.query_param.encode())
    return facts.cookie(location.cookie.encode()) if location.cookie else None


def _verified(provider: JwtProvider, token: bytes) -> Claims | None:
    """The claims of a token that is valid for the provider."""
    import jwt

    try:
        header = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError:
        return None
    algorithm, key_id = str(header.get("alg")), header.get("kid")
    fitting = [
        key
        for key in _read_keys(provider.keys)
        if algorithm in key.algorithms and (key_id is None or key.id == key_id)
    ]
    for key in fitting[:KEYS_TRIED_MAX]:
        try:
            claims: Claims = jwt.decode(
                token,
                key=key.public,
                algorithms=[algorithm],
                audience=provider.audiences or None,
                issuer=provider.issuer or None,
                leeway=provider.clock_skew_s,
                options=_options(provider),
            )
        except jwt.InvalidSignatureError:
            continue
        except jwt.PyJWTError as error:
            _log.debug("a token of provider %s is refused: %s", provider.name, error)
            return None
        return claims
    return None


def _options(provider: JwtProvider) -> "Options":
    """What is checked: as Envoy, times but not when it was issued, and what the provider names."""
    return {
        "verify_iat": False,
        "verify_sub": False,
        "verify_jti": False,
        "verify_aud": bool(provider.audiences),
        "verify_iss": bool(provider.issuer),
    }


class _Key(msgspec.Struct, frozen=True):
    id: str | None
    algorithms: frozenset[str]
    public: "AllowedPublicKeys"


@lru_cache(KEY_SETS_MAX)
def _read_keys(text: str) -> tuple[_Key, ...]:
    """The usable keys of a key set; others may be there for other programs."""
    try:
        described = msgspec.json.decode(text, type=_KeySet).keys
    except msgspec.MsgspecError as error:
        _log.warning("a key set cannot be read: %s", error)
        return ()
    return tuple(key for each in described if (key := _read_key(each)) is not None)


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


def _read_key(described: dict[str, Any]) -> _Key | None:
    import jwt

    kind = described.get("kty")
    algorithms = _ALGORITHMS.get(str(described.get("crv") if kind in {"EC", "OKP"} else kind))
    if algorithms is None or described.get("use", "sig") != "sig":
        return None
    named = described.get("alg")
    if named is not None:
        algorithms &= {named}
    try:
        key = jwt.PyJWK.from_dict({**described, "alg": named or min(algorithms)}).key
    except (jwt.PyJWTError, ValueError):
        return None
    if hasattr(key, "public_key"):
        key = key.public_key()  # somebody published a private key: it verifies all the same
    return _Key(described.get("kid"), algorithms, key)


def _payload(token: bytes, *, pad: bool) -> bytes:
    """The claims as the token has them: base64url, padded if asked for."""
    payload = token.split(b".")[1]
    return payload + b"=" * (-len(payload) % 4) if pad else payload


def _without_parameters(target: bytes, names: frozenset[bytes]) -> bytes:
    path, mark, query = target.partition(b"?")
    kept = b"&".join(
        pair
        for pair in query.split(b"&")
        if unquote_to_bytes(pair.partition(b"=")[0].replace(b"+", b" ")) not in names
    )
    return path + mark + kept if kept else path
