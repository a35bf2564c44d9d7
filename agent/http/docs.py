"""The reference page of the HTTP API, made from the route table.

``python -m agent.http.docs`` writes docs/reference/http-api.md.
"""

from pathlib import Path
from typing import Final

from agent.http.route import Local, Route
from agent.http.routes import ROUTES

PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "http-api.md"
_HEAD: Final = """# HTTP API

Made from the route table (`agent/http/routes.py`) by `python -m agent.http.docs`; do not edit.
Every endpoint answers `OPTIONS`; another method gets 405 with `Allow`. Reads marked *blocks* take
`index` and `wait`.

| method | path | what | parameters | |
| --- | --- | --- | --- | --- |
"""


def text() -> str:
    """The whole page."""
    return _HEAD + "".join(_row(route) for route in ROUTES)


def _row(route: Route) -> str:
    marks = [
        *(["this agent only"] if isinstance(route.action, Local) else []),
        *(["blocks"] if "index" in route.params else []),
        *(["`?cached`"] if route.cacheable else []),
    ]
    params = " ".join(f"`{name}`" for name in route.params)
    path = route.pattern
    return f"| {route.method} | `{path}` | {route.summary} | {params} | {', '.join(marks)} |\n"


def main() -> None:
    """Write the page."""
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
