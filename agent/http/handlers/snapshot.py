"""/v1/snapshot. Source: Consul API, snapshots."""

from agent.http.call import Answer, Call


async def save(call: Call) -> Answer:
    """The whole state as an archive."""
    archive, index = await call.front.services.save_snapshot()
    return Answer(
        body=archive,
        content_type="application/x-gzip",
        headers={
            "X-Consul-Index": str(index),
            "X-Consul-KnownLeader": "true",
            "X-Consul-LastContact": "0",
        },
    )


async def restore(call: Call) -> Answer:
    """Replace the whole state by an archive's."""
    await call.front.services.restore_snapshot(call.body)
    return Answer()
