"""The rules of a policy: from a parsed text, to a text.

``parse_rules`` takes the tree that an HCL or a JSON text gives: plain maps, lists and texts. Rules
in words: ``operator = "read"`` for a resource without names, ``key "a" { policy = "read" }`` for a
name, ``key_prefix "a/" { ... }`` for all that start so; ``service`` may say ``intentions`` too.

Source: Consul's reference of ACL rules. Words are matched whatever their case, as there. Unlike
there a word that is unknown is refused: a misspelt rule protects nothing and says nothing.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, Final

import msgspec

from catalog.acl.rights import Access, Resource
from catalog.errors import BadRequest


class Scope(Enum):
    """Which names a rule holds for."""

    WHOLE = "whole"
    """The resource has no names."""
    EXACT = "exact"
    PREFIX = "prefix"


class Rule(msgspec.Struct, frozen=True):
    """One rule. ``intentions`` is for services only; None follows from ``access``."""

    resource: Resource
    access: Access
    scope: Scope = Scope.WHOLE
    name: str = ""
    intentions: Access | None = None


Rules = tuple[Rule, ...]
"""The rules of one policy or of several: which one wins does not depend on their order."""

_WHOLE: Final = (
    Resource.ACL,
    Resource.KEYRING,
    Resource.MESH,
    Resource.OPERATOR,
    Resource.PEERING,
)
_NAMED: Final = (
    Resource.AGENT,
    Resource.EVENT,
    Resource.KEY,
    Resource.NODE,
    Resource.QUERY,
    Resource.SERVICE,
    Resource.SESSION,
)
_WHOLE_WORDS: Final = {str(resource): resource for resource in _WHOLE}
_NAMED_WORDS: Final = {
    word: (resource, scope)
    for resource in _NAMED
    for word, scope in ((str(resource), Scope.EXACT), (f"{resource}_prefix", Scope.PREFIX))
}
_KEY_LEVELS: Final = {access.name.lower(): access for access in Access}
_LEVELS: Final = {word: access for word, access in _KEY_LEVELS.items() if word != "list"}


def parse_rules(tree: Mapping[str, Any]) -> Rules:
    """The rules of a parsed text. Raises BadRequest: ``Invalid key policy: ...``, naming it."""
    found: list[Rule] = []
    for key, value in tree.items():
        word = key.lower()
        if whole := _WHOLE_WORDS.get(word):
            # An empty text is as good as no rule, which rules made by programs rely on.
            if value != "":
                found.append(Rule(whole, _level(word, value, whole)))
        elif named := _NAMED_WORDS.get(word):
            found.extend(_named_rules(word, value, *named))
        else:
            words = ", ".join(sorted([*_WHOLE_WORDS, *_NAMED_WORDS]))
            raise BadRequest(f"Invalid rule {_shown(key)}: allowed are {words}")
    return tuple(found)


def write_rules(rules: Iterable[Rule]) -> str:
    """Rules as HCL text, in the layout of the built-in policies; "" for none."""
    return "".join(f"\n{_written(rule)}" for rule in rules)


def _named_rules(word: str, value: Any, resource: Resource, scope: Scope) -> Iterator[Rule]:
    for block in _blocks(word, value):
        for name, bodies in block.items():
            for body in _blocks(word, bodies):
                yield _named_rule(word, name, body, resource, scope)


def _named_rule(
    word: str, name: str, body: Mapping[str, Any], resource: Resource, scope: Scope
) -> Rule:
    fields = {key.lower(): value for key, value in body.items()}
    access = _level(word, fields.pop("policy", ""), resource, name)
    intentions = fields.pop("intentions", "") if resource is Resource.SERVICE else ""
    if fields:
        unknown = _shown(next(iter(fields)))
        allowed = "policy, intentions" if resource is Resource.SERVICE else "policy"
        raise BadRequest(f"Invalid {word} policy: {unknown} of {_shown(name)}: allowed: {allowed}")
    if intentions == "":
        return Rule(resource, access, scope, name)
    level = _level(f"{word} intentions", intentions, resource, name)
    return Rule(resource, access, scope, name, level)


def _blocks(word: str, value: Any) -> Iterator[Mapping[str, Any]]:
    """The blocks of a word: HCL gives one as it is, and several as a list."""
    for block in value if isinstance(value, list) else [value]:
        if not isinstance(block, Mapping):
            example = f'{word} "name" {{ policy = "read" }}'
            raise BadRequest(
                f"Invalid {word} policy: {_shown(block)} is no block such as {example}"
            )
        yield block


def _level(what: str, value: Any, resource: Resource, name: str | None = None) -> Access:
    levels = _KEY_LEVELS if resource is Resource.KEY else _LEVELS
    access = levels.get(value.lower()) if isinstance(value, str) else None
    if access is None:
        of = "" if name is None else f" of {_shown(name)}"
        raise BadRequest(
            f"Invalid {what} policy: {_shown(value)}{of}: allowed: {', '.join(levels)}"
        )
    return access


def _written(rule: Rule) -> str:
    level = _shown(rule.access.name.lower())
    if rule.scope is Scope.WHOLE:
        return f"{rule.resource} = {level}"
    word = rule.resource if rule.scope is Scope.EXACT else f"{rule.resource}_prefix"
    lines = [f"{word} {_shown(rule.name)} {{", f"\tpolicy = {level}"]
    if rule.intentions is not None:
        lines.append(f"\tintentions = {_shown(rule.intentions.name.lower())}")
    return "\n".join([*lines, "}"])


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=repr)
