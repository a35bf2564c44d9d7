"""The py-consul client: KV, catalog, health, a session's lock and a blocking watch."""

import threading
import time
from collections.abc import Iterator

import consul
import pytest

from tests.system.agent_process import AgentProcess, wait_until

pytestmark = pytest.mark.compat


@pytest.fixture
def client(agent: AgentProcess) -> Iterator[consul.Consul]:
    client = consul.Consul(host="127.0.0.1", port=agent.ports["http"])
    yield client
    client.http.session.close()


def test_kv_put_get_list_and_delete(client: consul.Consul) -> None:
    assert client.kv.put("py/a", "one") is True
    assert client.kv.put("py/b", b"\xff\x00bin") is True

    _, one = client.kv.get("py/a")
    _, both = client.kv.get("py/", recurse=True)
    _, names = client.kv.get("py/", keys=True)
    _, missing = client.kv.get("py/none")

    assert one["Value"] == b"one"
    assert [pair["Value"] for pair in both] == [b"one", b"\xff\x00bin"]
    assert names == ["py/a", "py/b"]
    assert missing is None
    assert client.kv.delete("py/", recurse=True) is True
    assert client.kv.get("py/", recurse=True)[1] is None


def test_kv_cas_creates_once(client: consul.Consul) -> None:
    assert client.kv.put("py/cas", "1", cas=0) is True
    assert client.kv.put("py/cas", "2", cas=0) is False


def test_agent_service_reaches_catalog_and_health(client: consul.Consul) -> None:
    check = consul.Check.ttl("30s")
    assert client.agent.service.register("py-web", port=8080, tags=["v1"], check=check) is True

    _, before = client.health.service("py-web", passing=True)
    client.agent.check.ttl_pass("service:py-web")
    wait_until(lambda: client.health.service("py-web", passing=True)[1], what="passing instance")
    _, services = client.catalog.services()
    _, instances = client.catalog.service("py-web", tag="v1")

    assert before == []
    assert services["py-web"] == ["v1"]
    assert [row["ServicePort"] for row in instances] == [8080]
    assert client.agent.service.deregister("py-web") is True
    wait_until(lambda: not client.catalog.service("py-web")[1], what="deregistration")


def test_external_node_registers_and_deregisters(client: consul.Consul) -> None:
    service = {"Service": "py-db", "Port": 5432}
    assert client.catalog.register("py-ext", "10.0.0.7", service=service) is True

    _, row = client.catalog.node("py-ext")

    assert list(row["Services"]) == ["py-db"]
    assert client.catalog.deregister("py-ext") is True
    assert client.catalog.node("py-ext")[1] is None


def test_lock_is_held_by_one_session(client: consul.Consul) -> None:
    first = client.session.create(ttl=10, lock_delay=0)
    second = client.session.create(ttl=10, lock_delay=0)

    assert client.kv.put("py/lock", "a", acquire=first) is True
    assert client.kv.put("py/lock", "b", acquire=second) is False
    assert client.session.destroy(first) is True
    wait_until(lambda: client.kv.put("py/lock", "b", acquire=second), what="lock freed")

    assert client.kv.get("py/lock")[1]["Session"] == second
    assert client.session.renew(second)["ID"] == second
    client.session.destroy(second)


def test_blocking_watch_wakes_on_a_write(client: consul.Consul, agent: AgentProcess) -> None:
    client.kv.put("py/watch", "old")
    index, _ = client.kv.get("py/watch")
    writer = threading.Timer(0.3, agent.put, ("/v1/kv/py/watch", "new"))
    writer.start()
    began = time.monotonic()

    woken, pair = client.kv.get("py/watch", index=index, wait="10s")
    writer.join()

    assert pair["Value"] == b"new"
    assert int(woken) > int(index)
    assert 0.2 < time.monotonic() - began < 5
