"""The agent's command line, read as Go's flag package does.

One or two dashes; ``-flag=value`` or ``-flag value``; a switch stands alone or as ``-dev=false``.
The first word that is no flag, or ``--``, ends the flags. All flags but a few come from the schema.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from agent.config.root import Root
from agent.config.schema import Field, Kind, walk
from agent.config.tree import Block, ConfigError, Origin

_TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "false", "FALSE", "False"})


class OwnFlag(NamedTuple):
    """A flag that is no key of the configuration."""

    name: str
    kind: Kind
    doc: str


OWN_FLAGS: Final = (
    OwnFlag("-config-dir", Kind.TEXTS, "Directory of configuration files; may be repeated."),
    OwnFlag("-config-file", Kind.TEXTS, "Configuration file; may be repeated."),
    OwnFlag("-config-format", Kind.TEXT, "Format of all files: hcl or json."),
    OwnFlag("-dev", Kind.BOOL, "Run a server in memory, for development."),
    OwnFlag("-hcl", Kind.TEXTS, "Fragment of HCL that wins over all; may be repeated."),
)

_SECOND_NAMES: Final = {"-non-voting-server": "-read-replica"}
_KEYS: Final[dict[str, tuple[str, Field]]] = {
    field.option.flag: (path, field) for path, field in walk(Root) if field.option.flag
}
_OWN: Final = {flag.name: flag for flag in OWN_FLAGS}


class Flags(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed command line.

    ``lists`` is merged below the files, ``scalars`` above them; both are trees as files give.
    ``paths`` are files and directories in the order given.
    """

    dev: bool = False
    help: bool = False
    paths: tuple[str, ...] = ()
    config_format: str = ""
    fragments: tuple[str, ...] = ()
    lists: Block = msgspec.field(default_factory=Block)
    scalars: Block = msgspec.field(default_factory=Block)


def parse_flags(argv: Sequence[str]) -> Flags:
    """The flags of ``agent``; raises ConfigError naming the flag that is unknown or wrong."""
    reader = _Reader()
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word in {"--", "-"} or not word.startswith("-"):
            if word != "--" or rest:
                message = f"unexpected argument {rest[0] if word == '--' else word}"
                raise ConfigError(message)
            break
        name, has_value, value = word.partition("=")
        name = f"-{name.lstrip('-')}" if name.startswith("--") else name
        if name in {"-h", "-help"}:
            return Flags(help=True)
        kind = _kind_of(name)
        if not has_value:
            if kind is Kind.BOOL:
                value = "true"
            elif rest:
                value = rest.pop(0)
            else:
                message = f"flag needs an argument: {name}"
                raise ConfigError(message)
        reader.take(name, value)
    return reader.flags()


def _kind_of(name: str) -> Kind:
    name = _SECOND_NAMES.get(name, name)
    if name in _OWN:
        return _OWN[name].kind
    if name in _KEYS:
        return _KEYS[name][1].kind
    message = f"flag provided but not defined: {name}"
    raise ConfigError(message)


class _Reader:
    def __init__(self) -> None:
        self._own: dict[str, Any] = {}
        self._paths: list[str] = []
        self._lists = Block()
        self._scalars = Block()

    def take(self, name: str, value: str) -> None:
        name = _SECOND_NAMES.get(name, name)
        if name in {"-config-file", "-config-dir"}:
            self._paths.append(value)
            return
        if name in _OWN:
            kind = _OWN[name].kind
            if kind is Kind.TEXTS:
                self._own.setdefault(name, []).append(value)
            else:
                self._own[name] = _scalar(name, value, kind)
            return
        path, field = _KEYS[name]
        origin = Origin(f"flag {name}")
        match field.kind:
            case Kind.TEXTS:
                holder, key = _place(self._lists, path, origin)
                holder.put(key, [*holder.get(key, []), value], origin)
            case Kind.TEXT_MAP:
                holder, key = _place(self._scalars, path, origin)
                pair_key, _, pair_value = value.partition(":")
                pairs = holder.get(key) or Block()
                pairs.put(pair_key, pair_value, origin)
                holder.put(key, pairs, origin)
            case _:
                holder, key = _place(self._scalars, path, origin)
                holder.put(key, _scalar(name, value, field.kind), origin)

    def flags(self) -> Flags:
        config_format = self._own.get("-config-format", "")
        if config_format not in {"", "hcl", "json"}:
            message = f"-config-format must be hcl or json, not {config_format!r}"
            raise ConfigError(message)
        return Flags(
            dev=self._own.get("-dev", False),
            paths=tuple(self._paths),
            config_format=config_format,
            fragments=tuple(self._own.get("-hcl", ())),
            lists=self._lists,
            scalars=self._scalars,
        )


def _place(tree: Block, path: str, origin: Origin) -> tuple[Block, str]:
    *above, key = path.split(".")
    for name in above:
        if name not in tree:
            tree.put(name, Block(), origin)
        tree = tree[name]
    return tree, key


def _scalar(name: str, value: str, kind: Kind) -> Any:
    """The value as a file would hold it: durations stay text for the schema's check."""
    match kind:
        case Kind.BOOL:
            if value in _TRUE | _FALSE:
                return value in _TRUE
            expected = "true or false"
        case Kind.INT:
            try:
                return int(value, 0)
            except ValueError:
                expected = "a whole number"
        case _:
            return value
    message = f'invalid value "{value}" for flag {name}: must be {expected}'
    raise ConfigError(message)


def help_text() -> str:
    """The options part of ``agent -h``: every flag, its value and what it does."""
    rows = [(flag.name, flag.kind, flag.doc) for flag in OWN_FLAGS]
    rows += [(name, field.kind, _doc(field)) for name, (_, field) in _KEYS.items()]
    lines = ["Usage: proconsul agent [options]", "", "  Starts the agent until it is told to stop."]
    lines += ["", "Options:"]
    for name, kind, doc in sorted(rows):
        shown = name if kind is Kind.BOOL else f"{name}=<{_VALUE_NAMES.get(kind, 'string')}>"
        lines += ["", f"  {shown}", f"     {doc}"]
    return "\n".join(lines) + "\n"


_VALUE_NAMES: Final = {Kind.INT: "int", Kind.DURATION: "duration", Kind.TEXT_MAP: "key:value"}


def _doc(field: Field) -> str:
    repeated = " May be repeated." if field.kind in {Kind.TEXTS, Kind.TEXT_MAP} else ""
    return field.option.doc + repeated
