"""What a token may do: its policies' rules merged and made ready for questions.

Merging: several rules for the same name (or the same prefix) become one; DENY wins, else the one
that goes furthest. Then an exact rule beats prefixes, a longer prefix a shorter one, and what no
rule decides follows the default policy. Source: Consul's guide to ACL rules; what its servers
answer where the guide is silent:

- A service's ``intentions`` merge apart from its ``policy``. Left out by all, they follow from it:
  READ with read or write, DENY with deny. Writing a service gives no writing of its intentions.
- The intentions of ``*`` may be read with the right to read any, written with the right to all.
- ``mesh`` and ``peering`` follow ``operator`` while no rule is about them; ``keyring`` does not.
- ``acl`` is never allowed by default, whatever the default policy: else it would be no control.
- A tree may be written if its start may and no rule below says less.
"""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Final

from catalog.acl.levels import Levels
from catalog.acl.rights import Access, Denial, Extent, Resource, Right
from catalog.acl.rules import Rule, Scope

WILDCARD: Final = "*"
_ONE: Final = Extent.ONE  # members of an enumeration are slow to reach before Python 3.12
_FOLLOW_OPERATOR: Final = (Resource.MESH, Resource.PEERING)


class Default(StrEnum):
    """What holds where no rule decides: the agent's ``default_policy``, or everything."""

    DENY = "deny"
    ALLOW = "allow"
    MANAGE = "manage"
    """All, access control as well: what callers may while it is off."""


class Authorizer:
    """The rights of one token. Built once, asked often, never changed.

    ``rules`` are those of all its policies, in any order; ``accessor`` is told in refusals.
    """

    __slots__ = ("_levels", "accessor", "default")

    def __init__(self, rules: Iterable[Rule], *, default: Default, accessor: str = "") -> None:
        self.default = default
        self.accessor = accessor
        self._levels = _compiled(tuple(rules), default)

    def allows(self, right: Right) -> bool:
        """Whether the token has a right."""
        if right.extent is not _ONE or right.name == WILDCARD:
            return self._allows_many(right)
        return self._levels[right.resource].level(right.name) >= right.access

    def permits(self, resource: Resource, access: Access) -> Callable[[str], bool]:
        """The same question for many names, one after the other: what a list is filtered with."""
        if resource is Resource.INTENTION:
            return lambda name: self.allows(Right(resource, access, name))
        level = self._levels[resource].level
        return lambda name: level(name) >= access

    def denial(self, right: Right) -> Denial | None:
        """Why the token is refused; None when it has the right."""
        return None if self.allows(right) else Denial(right, self.accessor)

    def require(self, right: Right) -> None:
        """Raise PermissionDenied unless the token has the right."""
        if not self.allows(right):
            raise Denial(right, self.accessor).error()

    def may_list_keys(self, start: str, *, key_list_policy: bool) -> bool:
        """Whether keys under a start may be listed at all; what is listed is filtered besides.

        ``key_list_policy`` is the agent's ``enable_key_list_policy``; without it listing needs no
        right of its own.
        """
        return not key_list_policy or self.allows(Right(Resource.KEY, Access.LIST, start))

    def _allows_many(self, right: Right) -> bool:
        extent = right.extent
        if extent is _ONE and right.resource is Resource.INTENTION:
            extent = Extent.ANY if right.access is Access.READ else Extent.ALL
        return self._levels[right.resource].allows(right.access, right.name, extent)

    @property
    def allows_unmatched_intentions(self) -> bool:
        """Whether services may connect where no intention decides; no rule changes it."""
        return self.default is not Default.DENY


def _compiled(rules: tuple[Rule, ...], default: Default) -> dict[Resource, Levels]:
    """The levels of each resource."""
    named = _merged(rules, lambda rule: rule.access)
    explicit = _merged((r for r in rules if r.intentions is not None), lambda r: r.intentions)
    for scope in (Scope.EXACT, Scope.PREFIX):
        services = named.get((Resource.SERVICE, scope), {})
        implied = {name: min(level, Access.READ) for name, level in services.items()}
        said = explicit.get((Resource.SERVICE, scope), {})
        named[Resource.INTENTION, scope] = implied | said
    operator = (Resource.OPERATOR, Scope.WHOLE)
    for resource in _FOLLOW_OPERATOR:
        if operator in named:
            named.setdefault((resource, Scope.WHOLE), named[operator])
    return {
        resource: Levels(
            named.get((resource, Scope.EXACT), {}),
            # A rule of a resource without names is one for every name: the empty one.
            named.get((resource, Scope.PREFIX)) or named.get((resource, Scope.WHOLE), {}),
            unruled=_unruled(resource, default),
        )
        for resource in Resource
    }


def _merged(
    rules: Iterable[Rule], level_of: Callable[[Rule], Access | None]
) -> dict[tuple[Resource, Scope], dict[str, Access]]:
    """By resource and scope, the level of each name."""
    found: dict[tuple[Resource, Scope], dict[str, Access]] = {}
    for rule in rules:
        level = level_of(rule)
        assert level is not None, "rules without a level were left out"
        levels = found.setdefault((rule.resource, rule.scope), {})
        levels[rule.name] = _stronger(levels.get(rule.name, level), level)
    return found


def _stronger(one: Access, other: Access) -> Access:
    return Access.DENY if Access.DENY in (one, other) else max(one, other)


def _unruled(resource: Resource, default: Default) -> Access:
    match default:
        case Default.DENY:
            return Access.DENY
        case Default.MANAGE:
            return Access.WRITE
        case Default.ALLOW:
            return Access.DENY if resource is Resource.ACL else Access.WRITE


MANAGE_ALL: Final = Authorizer((), default=Default.MANAGE)
"""May everything: what every caller is while access control is off."""
