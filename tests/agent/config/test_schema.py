from typing import Any

from agent.config.root import Root
from agent.config.schema import (
    LIVE,
    RESTART,
    Kind,
    Section,
    computed,
    fields_of,
    opt,
    section,
    walk,
)
from catalog.duration import Duration


class Inner(Section, frozen=True):
    """Inner."""

    wait: Duration = opt(5, "Wait.")


class Outer(Section, frozen=True):
    """Outer."""

    name: str = computed("the host", "Name.")
    tags: tuple[str, ...] = opt((), "Tags.", reload=LIVE)
    things: tuple[dict[str, Any], ...] = opt((), "Things.")
    inner: Inner = section(Inner, "Inner.", reload=LIVE)
    many: tuple[Inner, ...] = opt((), "Many.")


class Wider(Outer, frozen=True):
    """Wider."""

    on: bool = opt(False, "On.")


def test_fields_have_kinds_and_inherited_ones_come_first():
    kinds = {name: field.kind for name, field in fields_of(Wider).items()}

    assert kinds == {
        "name": Kind.TEXT,
        "tags": Kind.TEXTS,
        "things": Kind.OBJECTS,
        "inner": Kind.SECTION,
        "many": Kind.SECTIONS,
        "on": Kind.BOOL,
    }
    assert list(kinds)[-1] == "on"


def test_defaults_are_those_of_the_declaration():
    config = Wider(name="x")

    assert (config.inner.wait, config.tags, config.on) == (5, (), False)


def test_key_below_a_live_section_is_live():
    marks = {path: field.option.reload for path, field in walk(Wider)}

    assert (marks["inner.wait"], marks["on"], marks["tags"]) == (LIVE, RESTART, LIVE)


def test_each_key_of_the_configuration_has_a_doc_and_each_flag_is_used_once():
    fields = list(walk(Root))

    flags = [field.option.flag for _, field in fields if field.option.flag]
    assert [path for path, field in fields if not field.option.doc] == []
    assert sorted(set(flags)) == sorted(flags)
