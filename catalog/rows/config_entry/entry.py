"""What every config entry has. Source: Consul API, /v1/config; configuration entry reference."""

import json
from typing import Annotated, Any, Final, Self

import msgspec

from catalog.errors import Invalid
from catalog.schema import Omit, Row, Unfiltered

META_COUNT_MAX: Final = 64
"""Pairs of metadata, as for nodes and services."""
META_KEY_BYTES_MAX: Final = 128
META_VALUE_BYTES_MAX: Final = 512
EXACT_INTEGER_MAX: Final = 2**53
"""The greatest integer up to which a float64 holds every one."""

Nanoseconds = Annotated[int, msgspec.Meta(extra={"nanoseconds": True})]
"""A duration that is read like any other, and shown as a number: where Consul does not care."""


class Entry(Row, frozen=True, kw_only=True, tag_field="Kind"):
    """The base of all kinds; the kind itself is the tag of the stored form."""

    name: str = ""
    meta: Omit[dict[str, str] | None] = None
    create_index: Unfiltered[int] = 0
    modify_index: Unfiltered[int] = 0

    @property
    def kind(self) -> str:
        """The API's name of the kind, such as ``service-defaults``."""
        tag = self.__struct_config__.tag
        assert isinstance(tag, str)
        return tag

    def normalized(self) -> Self:
        """The entry in the form that is stored: defaults filled in, case folded."""
        return self

    def validate(self) -> None:
        """Raise Invalid if the entry contradicts itself; it must be normalized before."""
        if not self.name:
            raise Invalid("Name is required")
        validate_meta(self.meta)


def refuse_enterprise(
    prefix: str, *, partition: str = "", namespace: str = "", sameness_group: str = ""
) -> None:
    """Raise Invalid for parts of a cluster that only Consul Enterprise has; defaults may be told.

    ``prefix`` starts the text.
    """
    for what, value in (("Partition", partition), ("Namespace", namespace)):
        if value not in {"", "default"}:
            message = f"{prefix}Setting {what} requires Consul Enterprise"
            raise Invalid(message)
    if sameness_group:
        message = f"{prefix}Setting SamenessGroup requires Consul Enterprise"
        raise Invalid(message)


def quoted(text: str) -> str:
    """Text in double quotes with escapes, as Go's ``%q`` writes it."""
    return json.dumps(text, ensure_ascii=False)


def errors_text(faults: list[str]) -> str:
    """Several faults as one text, one a line."""
    count = "1 error" if len(faults) == 1 else f"{len(faults)} errors"
    lines = "\n\t* ".join(faults)
    return f"{count} occurred:\n\t* {lines}\n\n"


def validate_meta(meta: dict[str, str] | None) -> None:
    """Raise Invalid if the metadata of an entry exceeds a limit."""
    faults: list[str] = []
    if meta and len(meta) > META_COUNT_MAX:
        faults.append(f"Meta exceeds maximum element count {META_COUNT_MAX}")
    for key, value in (meta or {}).items():
        if len(key.encode()) > META_KEY_BYTES_MAX:
            faults.append(f"Meta key {quoted(key)} exceeds maximum length {META_KEY_BYTES_MAX}")
        if len(value.encode()) > META_VALUE_BYTES_MAX:
            faults.append(
                f"Meta value for key {quoted(key)} exceeds maximum length {META_VALUE_BYTES_MAX}"
            )
    if faults:
        raise Invalid(errors_text(faults))


def go_numbers(value: Any) -> Any:
    """JSON whose numbers are as Go writes them: ``1`` for ``1.0``.

    What a float64 does not hold exactly stays, or becomes, a float: Go reads all numbers as such.
    """
    match value:
        case float() if value.is_integer() and abs(value) <= EXACT_INTEGER_MAX:
            return int(value)
        case int() if abs(value) > EXACT_INTEGER_MAX:
            return float(value)
        case list():
            return [go_numbers(item) for item in value]
        case dict():
            return {key: go_numbers(item) for key, item in value.items()}
        case _:
            return value
