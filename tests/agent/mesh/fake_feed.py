"""A feed that remembers."""

import asyncio

from proxy.api import ProxyConfig


class FakeFeed:
    """What was told, in order."""

    def __init__(self) -> None:
        self.configs: list[ProxyConfig] = []
        self.removed: list[str] = []
        self._told: asyncio.Queue[ProxyConfig | str] = asyncio.Queue()

    def put(self, config: ProxyConfig) -> None:
        self.configs.append(config)
        self._told.put_nowait(config)

    def remove(self, proxy_id: str, /) -> None:
        self.removed.append(proxy_id)
        self._told.put_nowait(proxy_id)

    async def next(self) -> ProxyConfig | str:
        """The next configuration, or the id of a removed proxy."""
        async with asyncio.timeout(5):
            return await self._told.get()
