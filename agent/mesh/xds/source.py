"""Where the stream server has its configurations from."""

from collections.abc import Callable
from typing import Protocol

from proxy.api import ProxyConfig


class ConfigSource(Protocol):
    """The configurations of this agent's proxies."""

    def follow(self, proxy: str, call: Callable[[ProxyConfig], None]) -> Callable[[], None]:
        """Be called with the proxy's configuration, now if there is one, and with each newer one.

        While somebody follows a proxy, the agent's own worker leaves it alone, and frees its ports
        as soon as it is told. Returns what ends it.
        """
