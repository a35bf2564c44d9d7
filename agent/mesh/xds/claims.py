"""Which proxies are served by somebody else than the agent's own workers.

    Proxies ──put, remove──► Claims ──► the workers' feed, but for proxies that are followed
                               └──────► who follows a proxy: a stream of an Envoy

An Envoy that comes takes its proxy over, and when it is gone the own worker has it again; if the
port is still held then, the worker goes on trying.
"""

from collections.abc import Callable

from agent.mesh.own_proxies import Feed
from proxy.api import ProxyConfig

Call = Callable[[ProxyConfig], None]


class Claims:
    """See the module. Itself a feed, and the source of configurations for streams."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._newest: dict[str, ProxyConfig] = {}
        self._followers: dict[str, list[Call]] = {}

    def put(self, config: ProxyConfig) -> None:
        """See `Feed`."""
        self._newest[config.id] = config
        followers = self._followers.get(config.id)
        if followers is None:
            self._feed.put(config)
            return
        for call in list(followers):
            call(config)

    def remove(self, proxy_id: str, /) -> None:
        """See `Feed`. Who follows the proxy keeps what it has: Envoy drains when it is stopped."""
        self._newest.pop(proxy_id, None)
        if proxy_id not in self._followers:
            self._feed.remove(proxy_id)

    def follow(self, proxy: str, call: Call) -> Callable[[], None]:
        """See `ConfigSource.follow`."""
        newest = self._newest.get(proxy)
        if proxy not in self._followers:
            self._followers[proxy] = []
            if newest is not None:
                self._feed.remove(proxy)
        self._followers[proxy].append(call)
        if newest is not None:
            call(newest)
        return lambda: self._unfollow(proxy, call)

    def _unfollow(self, proxy: str, call: Call) -> None:
        followers = self._followers[proxy]
        followers.remove(call)
        if followers:
            return
        del self._followers[proxy]
        newest = self._newest.get(proxy)
        if newest is not None:
            self._feed.put(newest)
