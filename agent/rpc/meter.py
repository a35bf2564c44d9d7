"""Counting what the connections carry."""

from typing import Protocol


class Count(Protocol):
    """agent.telemetry.metrics.Metrics.count."""

    def __call__(self, name: str, n: int = 1, **labels: str) -> None:
        """Add to a counter that the table of metrics declares."""


def uncounted(name: str, n: int = 1, **labels: str) -> None:
    """Count nothing."""
