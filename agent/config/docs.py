"""The reference page of the configuration, made from the schema.

``python -m agent.config.docs [file]`` writes it, to ``docs/reference/configuration.md`` by default.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from agent.config.aliases import ALIASES, IGNORED, SINGULARS
from agent.config.flags import OWN_FLAGS
from agent.config.root import Root
from agent.config.schema import Field, Kind, Section, fields_of, walk
from catalog.duration import format_duration

PAGE: Final = "docs/reference/configuration.md"

_HEAD: Final = """# Configuration

This page is generated from the schema: `python -m agent.config.docs`.

Sources, weakest first: built-in defaults, `-dev`, flags that are lists, files and directories in
the order given, other flags, `-hcl` fragments. Later scalars replace earlier ones, maps merge by
key, lists append. Files are HCL 1 (`.hcl`) or JSON (`.json`); a directory gives its files by name.
An unknown or repeated key, a syntax slip or a wrong value stops the start with file, line and key.

Addresses may be templates: `{{ GetPrivateIP }}`, `{{ GetPublicIP }}`,
`{{ GetInterfaceIP "eth0" }}`, or
`{{ GetAllInterfaces | include "network" "10.0.0.0/8" | attr "address" }}`.

Reload: a *live* key takes effect at a reload, a *restart* key at the next start.
"""

_COLUMNS: Final = (
    "| key | flag | type | default | reload | meaning |\n| --- | --- | --- | --- | --- | --- |"
)


def page() -> str:
    """The whole page as Markdown."""
    reload = {path: field.option.reload.value for path, field in walk(Root)}
    parts = [_HEAD, _own_flags(), *_tables(Root, "", reload), _aliases()]
    return "\n".join(parts)


def _own_flags() -> str:
    rows = [f"| `{flag.name}` | {flag.kind.value} | {flag.doc} |" for flag in OWN_FLAGS]
    return (
        "\n".join(
            [
                "## Flags that are no keys",
                "",
                "| flag | type | meaning |",
                "| --- | --- | --- |",
                *rows,
            ]
        )
        + "\n"
    )


def _tables(kind: type[Section], prefix: str, reload: dict[str, str]) -> Iterator[str]:
    """One table a section, nested sections after the section that holds them."""
    fields = fields_of(kind).values()
    title = f"`{prefix.removesuffix('.')}`" if prefix else "Top level"
    about = (kind.__doc__ or "").split("\n", 1)[0]
    rows = [
        _row(field, f"{prefix}{field.name}", reload)
        for field in fields
        if field.kind is not Kind.SECTION
    ]
    if rows:
        yield "\n".join([f"## {title}", "", about, "", _COLUMNS, *rows]) + "\n"
    for field in fields:
        if field.nested is not None and _has_own(field):
            yield from _tables(field.nested, f"{prefix}{field.name}.", reload)


def _has_own(field: Field) -> bool:
    return field.kind in {Kind.SECTION, Kind.SECTIONS}


def _row(field: Field, path: str, reload: dict[str, str]) -> str:
    option = field.option
    flag = f"`{option.flag}`" if option.flag else ""
    mark = reload.get(path, "restart")
    doc = option.doc.replace("|", "\\|")
    return f"| `{field.name}` | {flag} | {field.kind.value} | {_default(field)} | {mark} | {doc} |"


def _default(field: Field) -> str:
    default: Any = field.option.default
    if default is msgspec.UNSET:
        return field.option.computed
    match field.kind:
        case Kind.DURATION:
            shown = format_duration(default)
        case Kind.TEXT | Kind.BOOL | Kind.INT:
            shown = json.dumps(default)
        case Kind.FLOAT:
            return "no limit" if default == float("inf") else f"`{default:g}`"
        case _:
            shown = "{}" if isinstance(default, dict) else "[]"
    return f"`{shown}`"


def _aliases() -> str:
    rows = [
        f"| `{'.'.join((*alias.section, alias.key))}` | `{'.'.join(alias.path)}` | "
        f"{'deprecated' if alias.deprecated else 'equal'} |"
        for alias in ALIASES
    ]
    rows += [f"| `{old}` | `{new}` | adds to the list |" for old, new in SINGULARS.items()]
    rows += [f"| `{old}` | | no effect |" for old in sorted(IGNORED)]
    return (
        "\n".join(["## Second spellings", "", "| key | means | |", "| --- | --- | --- |", *rows])
        + "\n"
    )


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else PAGE).write_text(page(), encoding="utf-8")
