"""/v1/status."""

from tests.agent.harness import House


async def test_the_leader_is_one_of_the_peers(house: House):
    leader = (await house.ask("GET", "/v1/status/leader")).json
    peers = (await house.ask("GET", "/v1/status/peers?dc=DC1")).json

    assert (leader, peers) == ("127.0.0.1:8300", ["127.0.0.1:8300"])


async def test_another_datacenter_is_not_known(house: House):
    for target in ("leader", "peers"):
        answered = await house.ask("GET", f"/v1/status/{target}?dc=dc2")
        assert (answered.status, answered.body) == (500, b"No path to datacenter")
