"""The syntax tree of a filter expression, and what is refused.

Source: Consul's filtering reference (https://developer.hashicorp.com/consul/api-docs/features/filtering).
"""

from enum import Enum
from typing import TypeAlias

import msgspec

from catalog.errors import Invalid


class FilterError(Invalid):
    """An expression that cannot be used; the text is what follows the API's own prefix."""


class Operator(Enum):
    """What a match asks; the value is the name that error texts use."""

    EQUAL = "Equal"
    NOT_EQUAL = "Not Equal"
    IN = "In"
    NOT_IN = "Not In"
    IS_EMPTY = "Is Empty"
    IS_NOT_EMPTY = "Is Not Empty"
    MATCHES = "Matches"
    NOT_MATCHES = "Not Matches"


class Match(msgspec.Struct, frozen=True):
    """One test of one field; ``value`` is None for the two tests of emptiness."""

    path: tuple[str, ...]
    operator: Operator
    value: str | None = None

    @property
    def selector(self) -> str:
        """The path as error texts show it."""
        return ".".join(self.path)


class Not(msgspec.Struct, frozen=True):
    """The opposite of an expression."""

    operand: "Expression"


class And(msgspec.Struct, frozen=True):
    """Every operand holds. Chains are flat, so that a long one needs no deep stack."""

    operands: "tuple[Expression, ...]"


class Or(msgspec.Struct, frozen=True):
    """At least one operand holds."""

    operands: "tuple[Expression, ...]"


Expression: TypeAlias = Match | Not | And | Or
