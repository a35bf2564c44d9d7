"""The reference page of the API is made from the routes."""

from agent.http.docs import PAGE, text
from agent.http.routes import ROUTES


def test_page_is_current():
    assert text() == PAGE.read_text(encoding="utf-8")


def test_every_route_has_a_row():
    page = text()

    assert all(f"| {route.method} | `{route.pattern}` |" in page for route in ROUTES)
