"""/v1/acl while access control is off."""

import pytest

from agent.http.routes.acl import ACL
from tests.agent.harness import House


@pytest.mark.parametrize("route", ACL, ids=lambda route: f"{route.method} {route.pattern}")
async def test_every_endpoint_says_that_it_is_off(house: House, route):
    target = route.pattern.replace("{id}", "x").replace("{name}", "x")
    answered = await house.ask(route.method, target)

    assert (answered.status, answered.body) == (401, b"ACL support disabled")
