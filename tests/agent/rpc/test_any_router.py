"""Claims about the routers of the two kinds of agent."""

import pytest

from agent.rpc.any_router import AnyRouter
from agent.rpc.remote_router import RemoteRouter
from agent.rpc.server_router import ServerRouter


@pytest.mark.parametrize(
    "name", ["call", "read_now", "read_soon", "submit", "watch", "unwatch", "is_newest"]
)
def test_both_kinds_of_router_offer_what_the_front_doors_use(name: str):
    assert all(hasattr(kind, name) for kind in (ServerRouter, RemoteRouter))


def test_the_type_names_both():
    assert AnyRouter == f"{ServerRouter.__name__} | {RemoteRouter.__name__}"
