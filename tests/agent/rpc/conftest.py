"""Fixtures of connections over memory."""

import pytest

from agent.tasks import Tasks
from tests.agent.harness import within
from tests.agent.rpc.memory import Joined


@pytest.fixture
async def tasks():
    owner = Tasks()
    yield owner
    await owner.close()


@pytest.fixture
async def joined(tasks: Tasks):
    pair = Joined(tasks)
    await within(pair.calling.greeted())
    yield pair
    pair.calling.close("the test is over")
    await within(pair.answering.ended())
