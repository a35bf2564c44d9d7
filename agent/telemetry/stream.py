"""Metrics as a stream: one JSON line for each interval. Source: /v1/agent/metrics/stream."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from agent.clock import wall_s
from agent.telemetry.metrics import Metrics, until_next_interval_s
from agent.telemetry.render import to_json

LATE_S: Final = 0.01  # past the boundary: a timer may fire a little early


async def stream_json(metrics: Metrics, *, host_name: str = "") -> AsyncIterator[bytes]:
    """The interval that ends, whenever one ends, until closed."""
    while True:
        await asyncio.sleep(until_next_interval_s(wall_s()) + LATE_S)
        shown = to_json(metrics, now_s=wall_s(), host_name=host_name)
        yield msgspec.json.encode(shown) + b"\n"
