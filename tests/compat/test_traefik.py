"""Traefik's consulCatalog provider: requests reach the healthy instances and no others."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.compat.peer import running_program
from tests.system.agent_process import AgentProcess, free_ports, wait_until
from tests.system.site import fixed, serve_site

pytestmark = [pytest.mark.compat, pytest.mark.timeout(180)]

RULE = "traefik.http.routers.tra-web.rule=PathPrefix(`/`)"


def bodies_seen(port: int, requests: int = 8) -> set[bytes]:
    """The different answers of several requests through the proxy."""
    seen = set()
    for _ in range(requests):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                seen.add(answer.read())
        except urllib.error.HTTPError as refused:
            seen.add(str(refused.code).encode())
            refused.close()
        except OSError:
            seen.add(b"no answer")
    return seen


def register(agent: AgentProcess, name: str, port: int) -> None:
    check = {"HTTP": f"http://127.0.0.1:{port}/", "Interval": "1s", "Timeout": "1s"}
    service = {
        "ID": name,
        "Name": "tra-web",
        "Address": "127.0.0.1",
        "Port": port,
        "Tags": [RULE, "traefik.enable=true"],
        "Check": check,
    }
    agent.put_ok("/v1/agent/service/register", service)


def test_traefik_routes_to_passing_instances_only(agent: AgentProcess, tmp_path: Path) -> None:
    port = free_ports(1)[0]
    options = [
        f"--entryPoints.web.address=127.0.0.1:{port}",
        "--providers.consulCatalog=true",
        f"--providers.consulCatalog.endpoint.address={agent.http_address}",
        "--providers.consulCatalog.exposedByDefault=false",
        "--providers.consulCatalog.refreshInterval=1s",
        "--providers.providersThrottleDuration=100ms",
        "--global.checkNewVersion=false",
        "--global.sendAnonymousUsage=false",
        "--log.level=INFO",
    ]

    with serve_site(fixed(200, b"one")) as one, serve_site(fixed(200, b"two")) as two:
        register(agent, "t1", one.port)
        register(agent, "t2", two.port)
        with running_program(tmp_path / "traefik.log", "traefik", *options):
            both = {b"one", b"two"}
            wait_until(lambda: bodies_seen(port) == both, timeout_s=60, what="both instances")
            one.answer = fixed(500, b"broken")
            wait_until(lambda: bodies_seen(port) == {b"two"}, timeout_s=60, what="one dropped")
            one.answer = fixed(200, b"one")
            wait_until(lambda: bodies_seen(port) == both, timeout_s=60, what="one is back")
