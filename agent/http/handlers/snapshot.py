"""/v1/snapshot. Source: Consul API, snapshots."""

from agent.http.call import Answer, Call
from agent.http.params import write_options
from agent.rpc.endpoints.server_state import SnapshotRestore, SnapshotSave


async def save(call: Call) -> Answer:
    """The whole state as an archive."""
    request = SnapshotSave(stale=call.query.has("stale"), **write_options(call))
    reply = await call.front.router.call(request)
    return Answer(
        body=reply.value.archive,
        content_type="application/x-gzip",
        headers={
            "X-Consul-Index": str(reply.value.index),
            "X-Consul-KnownLeader": "true" if reply.known_leader else "false",
            "X-Consul-LastContact": str(reply.last_contact_ms),
        },
    )


async def restore(call: Call) -> Answer:
    """Replace the whole state by an archive's."""
    await call.front.router.call(SnapshotRestore(archive=call.body, **write_options(call)))
    return Answer()
