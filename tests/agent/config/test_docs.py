from pathlib import Path

from agent.config.docs import PAGE, page
from agent.config.root import Root
from agent.config.schema import Kind, walk

ROOT = Path(__file__).parents[3]


def test_the_reference_page_is_current():
    """Run ``python -m agent.config.docs`` after a change of the schema."""
    assert page() == (ROOT / PAGE).read_text(encoding="utf-8")


def test_each_key_has_its_row():
    keys = [path for path, field in walk(Root) if field.kind is not Kind.SECTION]
    text = page()

    assert [path for path in keys if f"`{path.rpartition('.')[2]}`" not in text] == []
