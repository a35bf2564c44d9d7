"""/v1/internal/mesh/feed: where a worker that a user starts is told what to serve. Not Consul's."""

from agent.http.call import Answer, Call


async def feed(call: Call) -> Answer:
    """The path of the socket, on the agent's own host, that only the agent's user can reach."""
    return Answer(json={"Path": await call.front.services.feed_path()})
