"""Claims about the routers of the two kinds of agent."""

from typing import get_args

import pytest

from agent.rpc.any_router import AnyRouter


@pytest.mark.parametrize("name", ["call", "read_now", "submit", "watch", "unwatch"])
def test_both_kinds_of_router_offer_what_the_front_doors_call(name: str):
    assert all(callable(getattr(kind, name)) for kind in get_args(AnyRouter))
