"""The rules of one resource, made ready for questions.

The rule for a name: its exact one; else the longest prefix; else the level that holds without a
rule. Among the prefixes in order, the last one that is not after a name is the longest that the
name starts with, or one that itself starts with it: a search and a few steps up, whatever the
number of rules.
"""

from bisect import bisect_right
from collections.abc import Mapping
from typing import Final

from catalog.acl.rights import Access, Extent

_NO_PARENT: Final = -1


class Levels:
    """How far each name of a resource may be accessed.

    ``exact`` and ``prefixes`` hold one level a name; ``unruled`` is for names that none matches.
    """

    __slots__ = ("_by_prefix", "_exact", "_highest", "_lowest", "_parents", "_prefixes", "_unruled")

    def __init__(
        self, exact: Mapping[str, Access], prefixes: Mapping[str, Access], *, unruled: Access
    ) -> None:
        self._exact = dict(exact)
        self._prefixes = sorted(prefixes)
        self._by_prefix = [prefixes[prefix] for prefix in self._prefixes]
        self._parents = _parents(self._prefixes)
        self._unruled = unruled
        given = [*exact.values(), *prefixes.values()]
        self._highest = max(given, default=Access.DENY)
        self._lowest = min(given, default=Access.WRITE)

    def level(self, name: str) -> Access:
        """How far this name may be accessed."""
        exact = self._exact.get(name)
        if exact is not None:
            return exact
        # What _covering does, written out: each request and each row of an answer comes by here.
        prefixes = self._prefixes
        at = bisect_right(prefixes, name) - 1
        while at >= 0:
            if name.startswith(prefixes[at]):
                return self._by_prefix[at]
            at = self._parents[at]
        return self._unruled

    def allows(self, access: Access, name: str, extent: Extent) -> bool:
        """Whether the names in question may be accessed so."""
        match extent:
            case Extent.ONE:
                return self.level(name) >= access
            case Extent.UNDER:
                return self._all_under(name, access)
            case Extent.ALL:
                return self._lowest >= access and self._catch_all() >= access
            case Extent.ANY:
                return self._highest >= access or self._catch_all() >= access

    def _catch_all(self) -> Access:
        """The level of a name that only the prefix of all names can match."""
        has_catch_all = bool(self._prefixes) and not self._prefixes[0]
        return self._by_prefix[0] if has_catch_all else self._unruled

    def _all_under(self, start: str, access: Access) -> bool:
        """Whether the rule that covers the start allows it and no narrower one forbids it."""
        at = self._covering(start)
        base = self._unruled if at < 0 else self._by_prefix[at]
        if base < access:
            return False
        ruled = [*self._exact.items(), *zip(self._prefixes, self._by_prefix, strict=True)]
        return all(level >= access for name, level in ruled if name.startswith(start))

    def _covering(self, name: str) -> int:
        """Where the longest prefix of a name stands; below 0 when none is one."""
        at = bisect_right(self._prefixes, name) - 1
        while at >= 0 and not name.startswith(self._prefixes[at]):
            at = self._parents[at]
        return at


def _parents(prefixes: list[str]) -> list[int]:
    """For each of the sorted prefixes where the longest other one stands that it starts with."""
    parents: list[int] = []
    for at, prefix in enumerate(prefixes):
        above = at - 1
        while above >= 0 and not prefix.startswith(prefixes[above]):
            above = parents[above]
        parents.append(above if above >= 0 else _NO_PARENT)
    return parents
