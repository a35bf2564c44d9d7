from typing import get_type_hints

import pytest

from catalog.schema import Hidden, Omit, Row, Table, Unfiltered, go_name, plain_type
from catalog.shape import marks


class Sample(Row, frozen=True, kw_only=True):
    plain: str = ""
    absent: Omit[str] = ""
    stored: Hidden[int] = 0
    shown: Unfiltered[Omit[int]] = 0


@pytest.mark.parametrize(
    ("name", "api_name"),
    [
        ("check_id", "CheckID"),
        ("ttl", "TTL"),
        ("tls_skip_verify", "TLSSkipVerify"),
        ("grpc_use_tls", "GRPCUseTLS"),
        ("ignore_check_ids", "IgnoreCheckIDs"),
        ("enable_tag_override", "EnableTagOverride"),
        ("node", "Node"),
    ],
)
def test_field_has_its_api_name(name: str, api_name: str) -> None:
    assert api_name == go_name(name)


def test_row_is_a_value_that_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Sample().plain = "x"  # type: ignore[misc]  # what the test is about


def test_marks_of_a_field_add_up() -> None:
    hints = get_type_hints(Sample, include_extras=True)

    assert {
        "plain": frozenset(),
        "absent": {"omit_empty"},
        "stored": {"hidden"},
        "shown": {"unfiltered", "omit_empty"},
    } == {name: marks(hint) for name, hint in hints.items()}


@pytest.mark.parametrize(
    ("hint", "plain"),
    [
        (str, str),
        (Omit[str], str),
        (Sample | None, Sample),
        (Omit[tuple[str, ...] | None], tuple[str, ...]),
    ],
)
def test_plain_type_is_under_marks_and_none(hint: object, plain: object) -> None:
    assert plain == plain_type(hint)


def test_table_names_itself() -> None:
    table = Table("samples", Sample, tag=1, key=lambda row: row.plain)

    assert repr(table) == "Table(samples)"
    assert not table.ordered
    assert table.indexes == ()
