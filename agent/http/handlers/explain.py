"""/v1/internal/mesh/explain: why a request between two services goes where it goes.

Not Consul's. ``header`` is ``name:value`` and may be there several times.
"""

from agent.http.call import Answer, Call, HttpError
from agent.http.params import read_options

METHOD_DEFAULT = "GET"


async def explain(call: Call) -> Answer:
    """Chain, shares, instances, intention, timeouts and certificate of one request."""
    # What builds configurations is loaded by agents that have proxies, or are asked.
    from agent.mesh.explain import Asked

    query = call.query
    for name in ("source", "destination"):
        if not query.text(name):
            message = f"Missing query parameter '{name}': the name of a service"
            raise HttpError(400, message)
    path = query.text("path") or "/"
    if not path.startswith("/"):
        raise HttpError(400, "Query parameter 'path' must start with '/'")
    asked = Asked(
        source=query.text("source"),
        destination=query.text("destination"),
        method=query.text("method").upper() or METHOD_DEFAULT,
        path=path,
        host=query.text("host"),
        headers=tuple(_header(text) for text in query.all("header")),
    )
    token = read_options(call).get("token", "")
    return Answer(json=await call.front.services.explain(asked, token))


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        message = f"Query parameter 'header' must be name:value, not {text!r}"
        raise HttpError(400, message)
    return name.strip(), value.strip()
