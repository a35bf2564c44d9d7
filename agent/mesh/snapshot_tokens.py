"""Which tokens intentions ask for, and how those are checked.

A provider whose keys are not known yet has none, so its tokens are refused.
Source: Consul, jwt-provider config entry.
"""

from base64 import b64decode
from collections.abc import Iterable
from typing import Final

from agent.mesh.watch_questions import Answers, Entry, KeySet, TextFile
from catalog.duration import SECOND
from catalog.rows.config_entry.jwt_provider import (
    JWT_PROVIDER,
    JWTProvider,
    TokenLocation,
)
from catalog.rows.config_entry.jwt_provider import KeySet as KeySetRow
from catalog.rows.config_entry.service_intentions import JWTRequirement
from proxy.api import ClaimMatch, JwtLocation, JwtProvider, JwtRequirement

LOCATIONS_DEFAULT: Final = (
    JwtLocation(header="Authorization", value_prefix="Bearer "),
    JwtLocation(query_param="access_token"),
)


def requirement(row: JWTRequirement | None) -> JwtRequirement | None:
    """What a token must be as a proxy knows it."""
    if row is None or not row.providers:
        return None
    return JwtRequirement(
        providers=tuple(
            (
                provider.name,
                tuple(
                    ClaimMatch(path=claim.path or (), value=claim.value)
                    for claim in provider.verify_claims or ()
                ),
            )
            for provider in row.providers
        )
    )


def providers(
    requirements: Iterable[JwtRequirement | None], answers: Answers
) -> tuple[JwtProvider, ...]:
    """The providers that requirements name and that are known, by name."""
    names = {
        name
        for required in requirements
        if required is not None
        for name, _claims in required.providers
    }
    return tuple(
        _provider(entry, answers)
        for name in sorted(names)
        for entry in answers.ask(Entry(JWT_PROVIDER, name)) or ()
        if isinstance(entry, JWTProvider)
    )


def _provider(entry: JWTProvider, answers: Answers) -> JwtProvider:
    forwarding = entry.forwarding
    return JwtProvider(
        name=entry.name,
        issuer=entry.issuer,
        audiences=entry.audiences or (),
        keys=_keys(entry.json_web_key_set, answers),
        locations=tuple(map(_location, entry.locations or ())) or LOCATIONS_DEFAULT,
        forward_header=forwarding.header_name if forwarding else "",
        pad_forward_header=forwarding.pad_forward_payload_header if forwarding else False,
        clock_skew_s=float(entry.clock_skew_seconds),
    )


def _keys(row: KeySetRow | None, answers: Answers) -> str:
    """The key set as JSON; empty while it is not known."""
    if row is None:
        return ""
    if row.local is not None and row.local.jwks:
        return b64decode(row.local.jwks).decode(errors="replace")
    if row.local is not None:
        return answers.ask(TextFile(row.local.filename)) or ""
    remote = row.remote
    if remote is None:
        return ""
    usual = KeySet(remote.uri)
    return (
        answers.ask(
            KeySet(
                uri=remote.uri,
                cache_s=remote.cache_duration / SECOND or usual.cache_s,
                timeout_s=remote.request_timeout_ms / 1000 or usual.timeout_s,
            )
        )
        or ""
    )


def _location(row: TokenLocation) -> JwtLocation:
    if row.header is not None:
        return JwtLocation(
            header=row.header.name,
            value_prefix=row.header.value_prefix,
            forward=row.header.forward,
        )
    if row.query_param is not None:
        return JwtLocation(query_param=row.query_param.name)
    return JwtLocation(cookie=row.cookie.name if row.cookie else "")
