import pytest

from tests.catalog.replica import Replica


@pytest.fixture
def replica() -> Replica:
    return Replica()
