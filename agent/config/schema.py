"""The declaration language of the configuration: sections, options and their kinds.

A section is a frozen struct whose fields are declared with ``opt``. From the declarations come
the file keys and their checks (``normalise``), the flags and their help (``flags``), the reference
page (``docs``), DebugConfig (``debug``) and what a reload may change (``reload``).
"""

from collections.abc import Callable, Iterator
from enum import Enum
from functools import cache
from typing import Annotated, Any, Final, NamedTuple, get_args, get_origin, get_type_hints

import msgspec


class Reload(Enum):
    """What a changed value needs: LIVE values are pushed, RESTART values wait for a restart."""

    LIVE = "live"
    RESTART = "restart"


LIVE: Final = Reload.LIVE
RESTART: Final = Reload.RESTART

Check = Callable[[Any], str]
"""A rule for one value: empty text when it holds, else what the value must be."""


class Option(NamedTuple):
    """What a declaration says about one key; ``computed`` tells how an absent value is found."""

    default: Any
    doc: str
    flag: str = ""
    reload: Reload = RESTART
    check: Check | None = None
    secret: bool = False
    computed: str = ""


def opt(
    default: Any,
    doc: str,
    *,
    flag: str = "",
    reload: Reload = RESTART,
    check: Check | None = None,
    secret: bool = False,
) -> Any:
    """Declare a key with a default. Durations are given in nanoseconds."""
    return Option(default, doc, flag, reload, check, secret)


def computed(
    how: str,
    doc: str,
    *,
    flag: str = "",
    reload: Reload = RESTART,
    check: Check | None = None,
) -> Any:
    """Declare a key whose value is found at start when nobody sets it; ``how`` says so."""
    return Option(msgspec.UNSET, doc, flag, reload, check, computed=how)


def section(kind: "type[Section]", doc: str, *, reload: Reload = RESTART) -> Any:
    """Declare a nested section; LIVE holds for every key below it."""
    return Option(kind, doc, reload=reload)


class _SectionMeta(msgspec.StructMeta):
    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **settings: Any
    ) -> Any:
        options = {key: value for key, value in namespace.items() if isinstance(value, Option)}
        fields = {key: value for key, value in namespace.items() if key not in options}
        for key, option in options.items():
            if isinstance(option.default, type):
                fields[key] = msgspec.field(default_factory=option.default)
            elif option.default is not msgspec.UNSET:
                fields[key] = msgspec.field(default=option.default)
        made = super().__new__(cls, name, bases, fields, **{"kw_only": True, **settings})
        _OPTIONS[made] = options
        return made


_OPTIONS: Final[dict[type, dict[str, Option]]] = {}


class Section(msgspec.Struct, metaclass=_SectionMeta, frozen=True, kw_only=True):
    """A group of keys; the root of the configuration is one too."""


class Kind(Enum):
    """The shape of a value; the text is what messages and the reference call it."""

    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    TEXT = "string"
    DURATION = "duration"
    TEXTS = "list of strings"
    TEXT_MAP = "map of strings"
    DURATION_MAP = "map of durations"
    OBJECT = "object"
    OBJECTS = "list of objects"
    SECTION = "section"
    SECTIONS = "list of sections"


class Field(NamedTuple):
    """One key of a section: its name, kind, option, and the nested section if it has one."""

    name: str
    kind: Kind
    option: Option
    nested: type[Section] | None = None


@cache
def fields_of(kind: type[Section]) -> dict[str, Field]:
    """The keys of a section in the order of their declaration, inherited ones first."""
    hints = get_type_hints(kind, include_extras=True)
    found: dict[str, Field] = {}
    for base in reversed(kind.__mro__):
        for name, option in _OPTIONS.get(base, {}).items():
            shape, nested = _shape(hints[name])
            found[name] = Field(name, shape, option, nested)
    return found


def walk(
    kind: type[Section], prefix: str = "", *, above: Reload = RESTART
) -> Iterator[tuple[str, Field]]:
    """Every key below a section with its dotted path: ``("ports.http", Field)``.

    A key below a LIVE section is LIVE too.
    """
    for field in fields_of(kind).values():
        path = f"{prefix}{field.name}"
        reload = LIVE if above is LIVE else field.option.reload
        yield path, field._replace(option=field.option._replace(reload=reload))
        if field.kind is Kind.SECTION and field.nested is not None:
            yield from walk(field.nested, f"{path}.", above=reload)


_SCALARS: Final = {bool: Kind.BOOL, int: Kind.INT, float: Kind.FLOAT, str: Kind.TEXT}


def _shape(hint: Any) -> tuple[Kind, type[Section] | None]:
    if get_origin(hint) is Annotated:
        return Kind.DURATION, None
    if hint in _SCALARS:
        return _SCALARS[hint], None
    if isinstance(hint, type) and issubclass(hint, Section):
        return Kind.SECTION, hint
    container, items = get_origin(hint), get_args(hint)
    if container is tuple:
        item = items[0]
        if isinstance(item, type) and issubclass(item, Section):
            return Kind.SECTIONS, item
        return (Kind.TEXTS if item is str else Kind.OBJECTS), None
    assert container is dict, f"no kind for {hint}"
    value = items[1]
    if get_origin(value) is Annotated:
        return Kind.DURATION_MAP, None
    return (Kind.TEXT_MAP if value is str else Kind.OBJECT), None
