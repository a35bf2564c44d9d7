from collections.abc import Callable
from typing import Any

import pytest

from catalog.rows.config_entry import ConfigEntry, decode_entry, normalize, validate


@pytest.fixture
def entries() -> Callable[..., list[ConfigEntry]]:
    """Config entries of request bodies, as they would be stored."""

    def entries(*bodies: dict[str, Any]) -> list[ConfigEntry]:
        made = [normalize(decode_entry(body)) for body in bodies]
        for entry in made:
            validate(entry)
        return made

    return entries
