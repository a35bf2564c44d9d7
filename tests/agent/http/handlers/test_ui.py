"""The agent's web page."""

import pytest

from tests.agent.harness import House


async def test_the_root_leads_to_the_page_when_it_is_on(house: House):
    house.change_settings(ui_enabled=True)
    answered = await house.ask("GET", "/")
    assert (answered.status, answered.headers["location"]) == (301, "/ui/")

    page = await house.ask("GET", "/ui/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in page.headers["content-security-policy"]


async def test_the_root_says_what_this_is_when_the_page_is_off(house: House):
    house.change_settings(ui_enabled=False)

    assert (await house.ask("GET", "/")).body == b"Consul Agent"
    assert (await house.ask("GET", "/ui/")).status == 404


@pytest.mark.parametrize("name", ["none.html", "../ui.py", "%2e%2e/call.py", "__init__.py"])
async def test_only_the_pages_own_files_are_served(house: House, name):
    house.change_settings(ui_enabled=True)

    assert (await house.ask("GET", f"/ui/{name}")).status == 404
