"""What sidecars carry, in every protocol, between services on three agents."""

import subprocess

import pytest

from tests.system.agent_process import LOOPBACK
from tests.system.cluster import Cluster
from tests.system.mesh_site import app, intend, register, speak, write_entry
from tests.system.mesh_traffic import assert_share, explain, spread, wait_answer

pytestmark = pytest.mark.system

SPLIT_REQUESTS = 5000


def test_curl_reaches_the_right_instance_and_explain_says_so(mesh_agents: Cluster) -> None:
    one, two = mesh_agents.clients["one"], mesh_agents.clients["two"]
    speak(mesh_agents.server, "http", "plain-back", "plain-front")
    with app("back-two") as back:
        register(two, "plain-back", back.port, instance="back-two")
        front = register(one, "plain-front", 1, upstreams=["plain-back"])
        front.wait_reach("plain-back")

        url = f"http://{LOOPBACK}:{front.upstreams['plain-back']}/hello?x=1"
        curl = subprocess.run(
            ["curl", "-sS", "-D-", url], capture_output=True, timeout=10, check=False
        )

        assert (0, b"") == (curl.returncode, curl.stderr)
        assert curl.stdout.startswith(b"HTTP/1.1 200")
        assert b"back-two" in curl.stdout
        assert back.requests["GET", "/hello?x=1"]
        explained = explain(one, "plain-front", "plain-back", "/hello?x=1")
        assert {"back-two"} == explained.instances
        assert explained.allowed

        intend(mesh_agents.server, "plain-front", "plain-back", "deny")
        wait_answer(front, "plain-back", lambda a: a.status == 403)
        assert not explain(one, "plain-front", "plain-back").allowed


def test_a_split_of_90_to_10_is_kept_over_many_requests(mesh_agents: Cluster) -> None:
    server, one, two = mesh_agents.agents
    speak(server, "http", "split-back", "split-front")
    subsets = {name: {"Filter": f"Service.Meta.version == {name}"} for name in ("v1", "v2")}
    write_entry(server, "service-resolver", "split-back", Subsets=subsets)
    shares = [{"Weight": 90, "ServiceSubset": "v1"}, {"Weight": 10, "ServiceSubset": "v2"}]
    write_entry(server, "service-splitter", "split-back", Splits=shares)
    with app("v1") as first, app("v2") as second:
        register(one, "split-back", first.port, instance="split-v1", meta={"version": "v1"})
        register(two, "split-back", second.port, instance="split-v2", meta={"version": "v2"})
        front = register(server, "split-front", 1, upstreams=["split-back"])
        front.wait_reach("split-back")

        served = spread(front.upstreams["split-back"], SPLIT_REQUESTS)

        assert SPLIT_REQUESTS == served.total()
        assert {"v1", "v2"} == set(served)
        explained = explain(server, "split-front", "split-back")
        for subset in ("v1", "v2"):
            percent = explained.shares[f"{subset}.split-back.default.dc1"]
            assert_share(percent, served[subset], SPLIT_REQUESTS)
