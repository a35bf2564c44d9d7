import pytest

from catalog.errors import BadRequest
from catalog.uuids import is_uuid, require_uuid

UUID = "5a5a5a5a-0000-4000-8000-00000000aa01"


@pytest.mark.parametrize("text", [UUID, UUID.upper()])
def test_eight_and_four_and_twelve_hexadecimal_digits_are_an_id(text: str) -> None:
    assert is_uuid(text)


@pytest.mark.parametrize("text", ["", "notauuid", UUID[:-1], UUID + "0", UUID.replace("a", "g")])
def test_anything_else_is_no_id(text: str) -> None:
    assert not is_uuid(text)


def test_id_at_the_end_of_a_line_is_no_id() -> None:
    assert not is_uuid(UUID + "\n")


def test_malformed_id_is_refused_with_what_it_was_for() -> None:
    with pytest.raises(BadRequest) as refusal:
        require_uuid("session", "short")

    assert (
        str(refusal.value)
        == 'failed session lookup: index error: UUID must be 36 characters, got "short"'
    )  # fmt: skip


def test_well_formed_id_is_let_through() -> None:
    require_uuid("session", UUID)
