"""What drives sockets itself is tested on both event loops: the worker runs on uvloop."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

_ON_BOTH = {
    "test_carrier.py",
    "test_tls_carrier.py",
    "test_handshake.py",
    "test_dial.py",
    "test_listener.py",
    "test_listener_chains.py",
    "test_l4.py",
    "test_l4_decisions.py",
}


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loops by name; files that open no socket need only one."""
    if item.path.name in _ON_BOTH:
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}
