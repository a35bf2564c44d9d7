"""``/`` and ``/ui/``: the agent's web page."""

from functools import cache
from importlib.resources import files
from typing import Final

from agent.http.call import Answer, Call, HttpError

_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
}
_SECURITY: Final = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


async def root(call: Call) -> Answer:
    """The way to the page, or a word that this is an agent."""
    if call.front.settings.ui_enabled:
        return Answer(status=301, headers={"Location": "/ui/"})
    return Answer(text="Consul Agent")


async def page(call: Call) -> Answer:
    """A file of the page."""
    name = call.path["file"] or "index.html"
    content = _files().get(name)
    if content is None or not call.front.settings.ui_enabled:
        raise HttpError(404)
    return Answer(body=content, content_type=_TYPES[name.rpartition(".")[2]], headers=_SECURITY)


@cache
def _files() -> dict[str, bytes]:
    """The files by name; only these are served, whatever a path says."""
    folder = files("agent.ui") / "static"
    return {
        file.name: file.read_bytes()
        for file in folder.iterdir()
        if file.name.rpartition(".")[2] in _TYPES
    }
