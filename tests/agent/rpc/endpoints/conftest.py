from collections.abc import AsyncIterator

import pytest

from tests.agent.connect.mesh import Mesh


@pytest.fixture
async def mesh() -> AsyncIterator[Mesh]:
    """A server whose authority has its first root."""
    server = Mesh()
    await server.authority.start("consul", {})
    yield server
    await server.close()
