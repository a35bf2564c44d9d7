"""/v1/internal/mesh: what the proxies of this agent carry and how they are served. Not Consul's.

An agent without proxies has nothing to show; it is no error, but for a tap, which would wait for
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agent.http.call import Answer, Call, HttpError, Query

if TYPE_CHECKING:
    from proxy.messages import Tap

STATUS_MAX: Final = 999  # of three digits


async def edges(call: Call) -> Answer:
    """Rates of the last minute and totals, by edge."""
    view = call.front.services.mesh_view()
    if view is None:
        return Answer(json=[])
    # What looks at proxies is loaded by agents that have some.
    from agent.mesh.view import Wanted

    query = call.query
    wanted = Wanted(
        source=query.text("source"),
        destination=query.text("destination"),
        proxy=query.text("proxy"),
    )
    return Answer(json=view.edges(wanted))


async def proxies(call: Call) -> Answer:
    """Every proxy of this agent: what it serves, and whether it has its newest configuration."""
    view = call.front.services.mesh_view()
    return Answer(json=[] if view is None else view.proxies())


async def tap(call: Call) -> Answer:
    """Requests and connections as they end, a line of JSON each, until the client goes away."""
    wanted = _tap(call.query)
    view = call.front.services.mesh_view()
    if view is None:
        raise HttpError(404, "No proxy is registered at this agent")
    if not view.has_room:
        raise HttpError(429, "Too many taps are open at this agent")
    return Answer(stream=view.tap(wanted), content_type="application/json")


def _tap(query: Query) -> Tap:
    from proxy.messages import Tap

    share = _number(query, "share", 100.0)
    if not 0 < share <= 100:
        raise HttpError(400, "Query parameter 'share' must be above 0 and at most 100, in percent")
    status_min = _number(query, "status_min", 0.0)
    if not 0 <= status_min <= STATUS_MAX or status_min != int(status_min):
        message = f"Query parameter 'status_min' must be a whole number from 0 to {STATUS_MAX}"
        raise HttpError(400, message)
    return Tap(
        number=0,
        proxy=query.text("proxy"),
        source=query.text("source"),
        destination=query.text("destination"),
        path_prefix=query.text("path"),
        method=query.text("method").upper(),
        status_min=int(status_min),
        share=share,
    )


def _number(query: Query, name: str, default: float) -> float:
    text = query.text(name)
    if not text:
        return default
    try:
        return float(text)
    except ValueError:
        message = f"Query parameter '{name}' must be a number, not {text!r}"
        raise HttpError(400, message) from None
