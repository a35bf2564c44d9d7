"""service-splitter: divides the requests of a service by weight."""

from typing import Final, Self

import msgspec
from typing_extensions import override

from catalog.errors import Invalid
from catalog.rows.config_entry.entry import Entry, quoted, refuse_enterprise
from catalog.rows.config_entry.service_router import HeaderModifiers, validate_modifiers
from catalog.schema import Omit, Row

SERVICE_SPLITTER: Final = "service-splitter"
WEIGHT_MAX: Final = 100
"""The weight of a service that gets everything."""
HUNDREDTHS_TOTAL: Final = 100 * WEIGHT_MAX
"""All weights together, in the unit in which they are compared."""


class Split(Row, frozen=True, kw_only=True):
    """A share of the requests, in percent with two decimals."""

    weight: float = 0.0
    service: Omit[str] = ""
    service_subset: Omit[str] = ""
    namespace: Omit[str] = ""
    partition: Omit[str] = ""
    request_headers: Omit[HeaderModifiers | None] = None
    response_headers: Omit[HeaderModifiers | None] = None


class ServiceSplitter(Entry, frozen=True, kw_only=True, tag=SERVICE_SPLITTER):
    """Shares that add up to 100 percent."""

    splits: Omit[tuple[Split, ...] | None] = None

    @override
    def normalized(self) -> Self:
        splits = self.splits and tuple(
            msgspec.structs.replace(split, weight=round_weight(split.weight))
            for split in self.splits
        )
        return msgspec.structs.replace(self, splits=splits)

    @override
    def validate(self) -> None:
        super().validate()
        if not self.splits:
            raise Invalid("no splits configured")
        seen: set[tuple[str, str, str]] = set()
        for split in self.splits:
            target = (split.service or self.name, split.service_subset, split.namespace)
            if target in seen:
                service, subset, namespace = map(quoted, target)
                message = (
                    "split destination occurs more than once: "
                    f"service={service}, subset={subset}, namespace={namespace}"
                )
                raise Invalid(message)
            seen.add(target)
            refuse_enterprise("Splits: ", partition=split.partition)
            validate_modifiers("Splits: RequestHeaders", split.request_headers)
            validate_modifiers("Splits: ResponseHeaders", split.response_headers)
            if not 0 <= split.weight <= WEIGHT_MAX:
                message = f"split weight must be between 0 and 100, not {split.weight:.6f}"
                raise Invalid(message)
        total = sum(_hundredths(split.weight) for split in self.splits)
        if total != HUNDREDTHS_TOTAL:
            message = f"the sum of all split weights must be 100, not {total / 100:.6f}"
            raise Invalid(message)


def round_weight(weight: float) -> float:
    """A weight with the two decimals that count; one far outside the range stays as it is."""
    return _hundredths(weight) / 100 if abs(weight) <= WEIGHT_MAX else weight


def _hundredths(weight: float) -> int:
    return round(weight * 100)
