from types import SimpleNamespace
from typing import Any, cast

from agent.http.call import Call
from agent.http.handlers.feed import feed


async def test_the_path_of_the_feed_is_told() -> None:
    async def feed_path() -> str:
        return "/data/mesh/feed.sock"

    services = SimpleNamespace(feed_path=feed_path)
    call = cast("Call", cast("Any", SimpleNamespace(front=SimpleNamespace(services=services))))

    answer = await feed(call)

    assert {"Path": "/data/mesh/feed.sock"} == answer.json
