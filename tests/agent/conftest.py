"""Fixtures of a whole agent in this process."""

from collections.abc import AsyncIterator

import pytest

from tests.agent.harness import House, open_house


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """A running agent with one HTTP door on a free port."""
    async with open_house() as opened:
        yield opened
