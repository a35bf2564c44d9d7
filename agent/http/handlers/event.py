"""/v1/event. Source: Consul API, events."""

import asyncio

from agent.http.call import Answer, Call
from agent.http.params import read_options, required, write_options
from agent.membership.events import EventRing, UserEvent, index_of
from agent.rpc.blocking import wait_s
from agent.rpc.endpoints.server_state import EventFire


async def fire(call: Call) -> Answer:
    """Send an event to all agents, of another datacenter if it is named."""
    name = required(call, "name", "name")
    query = call.query
    event = UserEvent(
        id=call.front.services.new_uuid(),
        name=name,
        payload=call.body,
        node_filter=query.text("node"),
        service_filter=query.text("service"),
        tag_filter=query.text("tag"),
    )
    options = write_options(call)
    if options.get("datacenter", call.datacenter).lower() == call.datacenter:
        call.front.services.fire_event(event)
    else:
        await call.front.router.call(EventFire(event=event, **options))
    return Answer(json=event)


async def list_events(call: Call) -> Answer:
    """The events received, once the last one is not that of ``index``."""
    name = call.query.text("name")
    options = read_options(call)
    ring: EventRing = call.front.services.events
    asked = options.get("min_index", 0)
    if asked:
        limits = call.front.router.limits
        timeout_s = wait_s(options.get("wait_ns", 0), limits, call.front.services.rng)
        await _until_changed(ring, name, asked, timeout_s)
    events = ring.list(name)
    index = index_of(events[-1].id) if events else 1
    return Answer(json=events, headers={"X-Consul-Index": str(index)})


async def _until_changed(ring: EventRing, name: str, asked: int, timeout_s: float) -> None:
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + timeout_s
    while _index(ring, name) == asked:
        received = loop.create_future()

        def wake_up(received: "asyncio.Future[None]" = received) -> None:
            if not received.done():
                received.set_result(None)

        ring.wake(wake_up)
        try:
            async with asyncio.timeout_at(deadline_s):
                await received
        except TimeoutError:
            return
        finally:
            ring.forget(wake_up)


def _index(ring: EventRing, name: str) -> int:
    events = ring.list(name)
    return index_of(events[-1].id) if events else 1
