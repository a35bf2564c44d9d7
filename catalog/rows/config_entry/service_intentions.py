"""service-intentions: which services may connect to one, or to all (``*``)."""

from typing import Final, Self

import msgspec
from typing_extensions import override

from catalog.errors import Invalid
from catalog.rows.config_entry.entry import Entry, quoted, refuse_enterprise
from catalog.rows.config_entry.http_match import (
    HeaderMatch,
    upper,
    validate_headers,
    validate_methods,
    validate_paths,
)
from catalog.schema import Omit, Row

SERVICE_INTENTIONS: Final = "service-intentions"
WILDCARD: Final = "*"
ALLOW: Final = "allow"
DENY: Final = "deny"
ACTIONS: Final = (ALLOW, DENY)
CONSUL: Final = "consul"
DESCRIPTION_BYTES_MAX: Final = 512
"""A description is for people."""


class PermissionHTTP(Row, frozen=True, kw_only=True):
    """The requests that a permission is about."""

    path_exact: Omit[str] = ""
    path_prefix: Omit[str] = ""
    path_regex: Omit[str] = ""
    header: Omit[tuple[HeaderMatch, ...] | None] = None
    methods: Omit[tuple[str, ...] | None] = None


class ClaimVerification(Row, frozen=True, kw_only=True):
    """A claim of a token, and the value that it must be or hold."""

    path: Omit[tuple[str, ...] | None] = None
    value: Omit[str] = ""


class JWTProviderUse(Row, frozen=True, kw_only=True):
    """A jwt-provider entry whose tokens are taken, and which claims they must make."""

    name: Omit[str] = ""
    verify_claims: Omit[tuple[ClaimVerification, ...] | None] = None


class JWTRequirement(Row, frozen=True, kw_only=True):
    """A token of one of the providers must come along. Since 1.16."""

    providers: Omit[tuple[JWTProviderUse, ...] | None] = None


class Permission(Row, frozen=True, kw_only=True):
    """What happens to the requests that match; the first permission that matches decides."""

    action: str = ""
    http: Omit[PermissionHTTP | None] = None
    jwt: Omit[JWTRequirement | None] = msgspec.field(default=None, name="JWT")


class SourceIntention(Row, frozen=True, kw_only=True):
    """What one source, or every source (``*``), may do.

    The ``legacy`` fields are set when the intention was made by its own endpoint: an id, metadata,
    and two RFC 3339 times. A config entry that is written by a user cannot set them.
    """

    name: str = ""
    action: Omit[str] = ""
    permissions: Omit[tuple[Permission, ...] | None] = None
    precedence: int = 0
    legacy_id: Omit[str] = ""
    type: str = ""
    description: Omit[str] = ""
    legacy_meta: Omit[dict[str, str] | None] = None
    legacy_create_time: Omit[str] = ""
    legacy_update_time: Omit[str] = ""
    namespace: Omit[str] = ""
    partition: Omit[str] = ""
    peer: Omit[str] = ""
    sameness_group: Omit[str] = ""


LEGACY_FIELDS: Final = ("legacy_id", "legacy_meta", "legacy_create_time", "legacy_update_time")


class ServiceIntentions(Entry, frozen=True, kw_only=True, tag=SERVICE_INTENTIONS):
    """The sources of a destination, the ones of higher precedence first."""

    sources: tuple[SourceIntention, ...] | None = None
    jwt: Omit[JWTRequirement | None] = msgspec.field(default=None, name="JWT")

    @override
    def normalized(self) -> Self:
        sources = self.sources and sorted(
            (_normalized_source(source, self.name) for source in self.sources),
            key=lambda source: -source.precedence,
        )
        return msgspec.structs.replace(self, sources=sources and tuple(sources))

    @override
    def validate(self) -> None:
        super().validate()
        _validate_wildcard("", self.name)
        _validate_jwt("JWT", self.jwt)
        if not self.sources:
            raise Invalid("At least one source is required")
        seen: set[tuple[str, str]] = set()
        for number, source in enumerate(self.sources):
            prefix = f"Sources[{number}]"
            _validate_source(prefix, source, destination=self.name)
            if (source.peer, source.name) in seen:
                peer = f"peer({quoted(source.peer)}) " if source.peer else ""
                message = f'{prefix} defines {peer}"{source.name}" more than once'
                raise Invalid(message)
            seen.add((source.peer, source.name))

    @property
    def jwt_providers(self) -> set[str]:
        """The names of the jwt-provider entries that this one needs."""
        permissions = (each for source in self.sources or () for each in source.permissions or ())
        requirements = (self.jwt, *(permission.jwt for permission in permissions))
        return {
            provider.name
            for requirement in requirements
            if requirement
            for provider in requirement.providers or ()
        }


def precedence(source: str, destination: str) -> int:
    """How specific a pair of names is, 9 to 5. Source: Consul, intentions, precedence table."""
    if destination != WILDCARD:
        return 8 if source == WILDCARD else 9
    return 5 if source == WILDCARD else 6


def _normalized_source(source: SourceIntention, destination: str) -> SourceIntention:
    permissions = source.permissions and tuple(
        msgspec.structs.replace(
            permission,
            http=permission.http
            and msgspec.structs.replace(permission.http, methods=upper(permission.http.methods)),
        )
        for permission in source.permissions
    )
    return msgspec.structs.replace(
        source,
        permissions=permissions,
        precedence=precedence(source.name, destination),
        type=source.type or CONSUL,
    )


def _validate_wildcard(prefix: str, name: str) -> None:
    if WILDCARD in name and name != WILDCARD:
        message = f"{prefix}Name: wildcard character '*' cannot be used with partial values"
        raise Invalid(message)


def _validate_source(prefix: str, source: SourceIntention, *, destination: str) -> None:
    if not source.name:
        raise Invalid(f"{prefix}.Name is required")
    _validate_wildcard(f"{prefix}.", source.name)
    _validate_origin(prefix, source)
    fault = ""
    if source.type != CONSUL:
        fault = f"Type must be set to '{CONSUL}'"
    elif len(source.description.encode()) > DESCRIPTION_BYTES_MAX:
        fault = f"Description exceeds maximum length {DESCRIPTION_BYTES_MAX}"
    elif source.permissions and source.action:
        fault = "Action must be omitted if Permissions are specified"
    elif source.permissions and destination == WILDCARD:
        fault = "Permissions cannot be specified on intentions with wildcarded destinations"
    elif not source.permissions and source.action not in ACTIONS:
        fault = "Action must be set to 'allow' or 'deny'"
    if fault:
        message = f"{prefix}.{fault}"
        raise Invalid(message)
    for number, permission in enumerate(source.permissions or ()):
        _validate_permission(f"{prefix}.Permissions[{number}]", permission)


def _validate_origin(prefix: str, source: SourceIntention) -> None:
    """A source is of this cluster or of one peer; groups and partitions are not there."""
    fault = ""
    for field, value in (("Partition", source.partition), ("Peer", source.peer)):
        if WILDCARD in value:
            fault = f"{field}: cannot use wildcard '*' in {field.lower()}"
    if source.sameness_group:
        fault = "SamenessGroup: sameness groups are an enterprise-only feature"
    elif source.peer and source.partition:
        fault = "Peer: cannot set Peer and Partition at the same time."
    elif source.peer and source.legacy_id:
        fault = "Peer cannot be set by legacy intentions"
    if fault:
        message = f"{prefix}.{fault}"
        raise Invalid(message)
    refuse_enterprise(f"{prefix}: ", partition=source.partition, namespace=source.namespace)


def _validate_permission(prefix: str, permission: Permission) -> None:
    if permission.action not in ACTIONS:
        message = f"{prefix}.Action must be set to 'allow' or 'deny'"
        raise Invalid(message)
    http = permission.http
    if http is None:
        message = f"{prefix}.HTTP is required"
        raise Invalid(message)
    within = f"{prefix}.HTTP."
    validate_paths(within, http.path_exact, http.path_prefix, http.path_regex, end=".")
    validate_headers(within, http.header or (), end=".", containing=True)
    validate_methods(within, http.methods or ())
    if http == PermissionHTTP():
        message = f"{prefix}.HTTP should not be empty"
        raise Invalid(message)
    _validate_jwt(f"{prefix}.JWT", permission.jwt)


def _validate_jwt(prefix: str, requirement: JWTRequirement | None) -> None:
    for number, provider in enumerate((requirement and requirement.providers) or ()):
        place = f"{prefix}.Providers[{number}]"
        if not provider.name:
            message = f"{place}.Name is required"
            raise Invalid(message)
        for position, claim in enumerate(provider.verify_claims or ()):
            if not all(claim.path or ("",)):
                message = f"{place}.VerifyClaims[{position}].Path should not be empty"
                raise Invalid(message)
