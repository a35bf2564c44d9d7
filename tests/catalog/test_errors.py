import pytest

from catalog.errors import (
    BadRequest,
    CatalogError,
    Conflict,
    Invalid,
    NotFound,
    PermissionDenied,
    TooLarge,
)


@pytest.mark.parametrize("kind", [Invalid, NotFound, Conflict, PermissionDenied, TooLarge])
def test_every_refusal_is_a_catalog_error_with_its_text(kind: type[CatalogError]) -> None:
    with pytest.raises(CatalogError, match="why"):
        raise kind("why")


def test_bad_request_is_a_kind_of_invalid() -> None:
    assert issubclass(BadRequest, Invalid)
