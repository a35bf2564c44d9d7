"""/v1/snapshot."""

from tests.agent.harness import House


async def test_a_saved_state_comes_back(house: House):
    await house.ask("PUT", "/v1/kv/k", b"old")
    saved = await house.ask("GET", "/v1/snapshot")
    await house.ask("PUT", "/v1/kv/k", b"new")

    assert (await house.ask("PUT", "/v1/snapshot", saved.body)).status == 200

    assert saved.headers["content-type"] == "application/x-gzip"
    assert int(saved.headers["x-consul-index"]) > 0
    assert (await house.ask("GET", "/v1/kv/k?raw")).body == b"old"


async def test_the_clocks_of_restored_sessions_run(house: House):
    await house.ask("PUT", "/v1/session/create", b'{"TTL":"10s"}')
    saved = await house.ask("GET", "/v1/snapshot")
    await house.ask("PUT", "/v1/snapshot", saved.body)

    assert house.agent.server.timers.active == 1


async def test_a_bad_archive_is_refused(house: House):
    answered = await house.ask("PUT", "/v1/snapshot", b"no archive")

    assert answered.status == 500
    assert answered.body.startswith(b"Error restoring snapshot: ")
