"""Lets the agent's own workers have the proxies that are theirs, and no others.

A registration leaves its proxy to somebody else with ``proconsul_managed = false`` in its
``proxy.config``, an agent leaves all of them with ``proxy { enabled = false }``.
"""

from collections.abc import Callable
from typing import Protocol

from proxy.api import ProxyConfig


class Feed(Protocol):
    """Who tells the workers."""

    def put(self, config: ProxyConfig) -> None:
        """Have a proxy served as told from now on."""

    def remove(self, proxy_id: str, /) -> None:
        """Have a proxy served no more, after its connections have drained."""


class OwnProxies:
    """A feed before the workers' one. ``is_own`` is asked at every change."""

    def __init__(self, feed: Feed, is_own: Callable[[str], bool]) -> None:
        self._feed = feed
        self._is_own = is_own
        self._served: set[str] = set()

    def put(self, config: ProxyConfig) -> None:
        """See `Feed`."""
        if self._is_own(config.id):
            self._served.add(config.id)
            self._feed.put(config)
        else:
            self.remove(config.id)

    def remove(self, proxy_id: str, /) -> None:
        """See `Feed`."""
        if proxy_id in self._served:
            self._served.discard(proxy_id)
            self._feed.remove(proxy_id)
