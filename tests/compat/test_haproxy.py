"""HAProxy's `resolvers` with a `server-template` over SRV: slots fill, empty and carry traffic."""

import csv
import socket
import urllib.request
from pathlib import Path

import pytest

from tests.compat.peer import running_program
from tests.system.agent_process import AgentProcess, free_ports, wait_until
from tests.system.site import fixed, serve_site

pytestmark = pytest.mark.compat

CONFIG = """
global
    stats socket {socket} mode 600 level admin
    maxconn 200
defaults
    mode http
    timeout connect 2s
    timeout client 5s
    timeout server 5s
resolvers agent
    nameserver agent 127.0.0.1:{dns}
    accepted_payload_size 8192
    resolve_retries 3
    timeout resolve 1s
    timeout retry 1s
    hold valid 1s
    hold obsolete 1s
    hold nx 1s
frontend web
    bind 127.0.0.1:{port}
    default_backend web
backend web
    balance roundrobin
    server-template slot 1-4 _hap-web._tcp.service.consul resolvers agent init-addr none
"""


def filled_ports(path: Path) -> set[int]:
    """Ports of the slots that HAProxy considers up."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stats:
            stats.settimeout(5)
            stats.connect(str(path))
            stats.sendall(b"show stat\n")
            text = b"".join(iter(lambda: stats.recv(65536), b"")).decode()
    except OSError:
        return set()
    rows = csv.DictReader(text.lstrip("# ").splitlines())
    up = [r for r in rows if r["pxname"] == "web" and r["svname"].startswith("slot")]
    addresses = [r["addr"] for r in up if r["status"] in ("UP", "no check") and r["addr"]]
    return {int(address.rpartition(":")[2]) for address in addresses if ":" in address}


def test_server_template_follows_the_instances_of_a_service(
    agent: AgentProcess, tmp_path: Path
) -> None:
    stats = tmp_path / "stats"
    port = free_ports(1)[0]
    config = tmp_path / "haproxy.cfg"
    config.write_text(CONFIG.format(socket=stats, dns=agent.dns_port, port=port))

    with serve_site(fixed(200, b"one")) as one, serve_site(fixed(200, b"two")) as two:
        for name, site in (("h1", one), ("h2", two)):
            agent.put_ok(
                "/v1/agent/service/register",
                {"ID": name, "Name": "hap-web", "Address": "127.0.0.1", "Port": site.port},
            )
        with running_program(tmp_path / "haproxy.log", "haproxy", "-db", "-f", str(config)):
            wait_until(
                lambda: filled_ports(stats) == {one.port, two.port},
                timeout_s=40,
                what="two slots filled",
            )
            bodies = set()
            for _ in range(8):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                    bodies.add(answer.read())
            agent.put_ok("/v1/agent/service/deregister/h1")
            wait_until(
                lambda: filled_ports(stats) == {two.port}, timeout_s=40, what="one slot left"
            )

    assert bodies == {b"one", b"two"}
