from collections.abc import Callable
from typing import Any

import pytest

from catalog.errors import Invalid
from catalog.rows.config_entry import decode_entry, normalize, validate


@pytest.fixture
def refusal() -> Callable[[dict[str, Any]], str]:
    """Why an entry with these fields is refused; empty if it is not."""

    def refusal(body: dict[str, Any]) -> str:
        try:
            validate(normalize(decode_entry({"Name": "x"} | body)))
        except Invalid as refused:
            return str(refused)
        return ""

    return refusal
