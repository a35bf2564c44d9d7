"""Who may come in: from a destination's intentions to the policy that a listener enforces.

Source: Consul, intentions and service-intentions.
"""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from agent.mesh.settings import Place
from agent.mesh.snapshot_tokens import providers, requirement
from agent.mesh.watch_questions import Answers, Entry
from catalog.intentions import describe, intentions_of
from catalog.rows.config_entry import SERVICE_INTENTIONS, ServiceIntentions
from catalog.rows.config_entry.http_match import HeaderMatch as HeaderRow
from catalog.rows.config_entry.service_intentions import (
    ALLOW,
    WILDCARD,
    PermissionHTTP,
)
from catalog.rows.config_entry.service_intentions import Permission as PermissionRow
from catalog.rows.connect import CARoots
from catalog.rows.intention import Intention as IntentionRow
from proxy.api import HeaderMatch, Intention, JwtRequirement, Permission, Policy

TRUST_DOMAIN_SUFFIX = ".consul"


def policy_of(service: str, place: Place, roots: CARoots, answers: Answers) -> Policy | None:
    """The policy of a service; None while its intentions are not known.

    Intentions about requests stay with a service of bytes too: they refuse every connection.
    """
    found = [answers.ask(Entry(SERVICE_INTENTIONS, name)) for name in (service, WILDCARD)]
    if None in found:
        return None
    entries = [
        _of_this_cluster(entry)
        for each in found
        for entry in each or ()
        if isinstance(entry, ServiceIntentions)
    ]
    tokens = {entry.name: requirement(entry.jwt) for entry in entries}
    judged = tuple(_intention(row, tokens[row.destination_name]) for row in intentions_of(entries))
    return Policy(
        destination=service,
        intentions=judged,
        default_allow=place.default_allow,
        default_reason=place.default_reason,
        trust_domains=trust_domains(roots),
        jwt_providers=providers(_requirements(judged), answers),
    )


def _of_this_cluster(entry: ServiceIntentions) -> ServiceIntentions:
    """The entry without sources of other clusters: one of these is not the service of its name."""
    sources = tuple(
        source for source in entry.sources or () if not (source.peer or source.sameness_group)
    )
    return replace(entry, sources=sources)


def _requirements(intentions: Iterable[Intention]) -> Iterator[JwtRequirement | None]:
    for intention in intentions:
        yield intention.jwt
        for permission in intention.permissions:
            yield permission.jwt


def trust_domains(roots: CARoots) -> tuple[str, ...]:
    """The trust domains of the roots, this mesh's first."""
    others = (
        root.external_trust_domain + TRUST_DOMAIN_SUFFIX
        for root in roots.roots
        if root.external_trust_domain
    )
    return tuple(dict.fromkeys((roots.trust_domain, *others)))


def _intention(row: IntentionRow, token: JwtRequirement | None) -> Intention:
    return Intention(
        source=row.source_name,
        precedence=row.precedence,
        allow=row.action == ALLOW,
        permissions=tuple(_permission(each) for each in row.permissions or ()),
        jwt=token,
        name=describe(row),
    )


def _permission(row: PermissionRow) -> Permission:
    http = row.http or PermissionHTTP()
    return Permission(
        allow=row.action == ALLOW,
        path_exact=http.path_exact,
        path_prefix=http.path_prefix,
        path_regex=http.path_regex,
        headers=header_matches(http.header),
        methods=http.methods or (),
        jwt=requirement(row.jwt),
    )


def header_matches(rows: Iterable[HeaderRow] | None) -> tuple[HeaderMatch, ...]:
    """Conditions on headers as a proxy knows them."""
    return tuple(
        HeaderMatch(
            name=row.name,
            present=row.present,
            exact=row.exact,
            prefix=row.prefix,
            suffix=row.suffix,
            contains=row.contains,
            regex=row.regex,
            invert=row.invert,
            ignore_case=row.ignore_case,
        )
        for row in rows or ()
    )
