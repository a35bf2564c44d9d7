"""Ways in and out of the mesh: ingress and terminating gateways, on real agents."""

import json
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.system.agent_process import LOOPBACK, AgentProcess, free_ports
from tests.system.cluster import Cluster
from tests.system.mesh_site import App, Line, app, call, echo, intend, register, speak, write_entry
from tests.system.mesh_traffic import caller, explain, instances, wait_answer, wait_done

pytestmark = pytest.mark.system


def gateway(agent: AgentProcess, kind: str, name: str, **more: Any) -> int:
    """Register a gateway; its port."""
    (port,) = free_ports(1)
    definition = {"Kind": kind, "Name": name, "Port": port, "Address": LOOPBACK, **more}
    agent.put_ok("/v1/agent/service/register", definition)
    return port


def served(port: int, host: str, path: str = "/") -> str:
    """Who serves a host at an ingress gateway; the status if nobody does."""
    answer = call(port, path, headers={"Host": host})
    return answer.served_by or str(answer.status)


def wait_served(port: int, host: str, expected: str) -> None:
    def check() -> None:
        assert served(port, host) == expected

    wait_done(check)


def test_an_ingress_gateway_tells_services_apart_by_host(mesh_agents: Cluster) -> None:
    (port,) = free_ports(1)
    with instances(mesh_agents, "in-shop", {}), instances(mesh_agents, "in-blog", {}):
        services = [
            {"Name": "in-shop", "Hosts": ["shop.example", "*.shop.example"]},
            {"Name": "in-blog"},
        ]
        listener = {"Port": port, "Protocol": "http", "Services": services}
        write_entry(mesh_agents.server, "ingress-gateway", "in-hosts", Listeners=[listener])
        gateway(mesh_agents.clients["one"], "ingress-gateway", "in-hosts")

        wait_served(port, "shop.example", "in-shop-0")
        wait_served(port, "in-blog.ingress.consul", "in-blog-0")
        assert "in-shop-0" == served(port, f"eu.shop.example:{port}")
        assert "404" == served(port, "other.example")
        assert "404" == served(port, "in-shop.ingress.consul")

        intend(mesh_agents.server, "in-hosts", "in-shop", "deny")
        wait_served(port, "shop.example", "403")
        assert "in-blog-0" == served(port, "in-blog.ingress.consul")


def test_an_ingress_gateway_for_every_service_with_its_protocol(mesh_agents: Cluster) -> None:
    (port,) = free_ports(1)
    listener = {"Port": port, "Protocol": "http", "Services": [{"Name": "*"}]}
    write_entry(mesh_agents.server, "ingress-gateway", "in-all", Listeners=[listener])
    gateway(mesh_agents.clients["two"], "ingress-gateway", "in-all")
    with instances(mesh_agents, "in-first", {}):
        wait_served(port, "in-first.ingress.dc1.consul", "in-first-0")
        with instances(mesh_agents, "in-later", {}):
            wait_served(port, "in-later.ingress.consul", "in-later-0")


def test_an_ingress_gateway_speaks_tls_for_its_hosts(mesh_agents: Cluster, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    roots = tmp_path / "roots.pem"
    with instances(mesh_agents, "in-safe", {}):
        services = [{"Name": "in-safe", "Hosts": ["safe.example"]}]
        listener = {"Port": port, "Protocol": "http", "Services": services}
        tls = {"Enabled": True}
        write_entry(mesh_agents.server, "ingress-gateway", "in-tls", TLS=tls, Listeners=[listener])
        gateway(mesh_agents.clients["one"], "ingress-gateway", "in-tls")
        rows = mesh_agents.server.get("/v1/connect/ca/roots").json["Roots"]
        roots.write_text("".join(row["RootCert"] for row in rows))

        def ask(host: str, *options: str) -> dict[str, Any]:
            command = ["curl", "-sS", "-f", "--cacert", str(roots), *options]
            command += ["--resolve", f"{host}:{port}:{LOOPBACK}", f"https://{host}:{port}/a"]
            done = subprocess.run(command, capture_output=True, timeout=10, check=False)
            assert done.returncode == 0, done.stderr
            found: dict[str, Any] = json.loads(done.stdout)
            return found

        wait_done(lambda: ask("safe.example"))
        assert "/a" == ask("safe.example", "--http2")["path"]
        with pytest.raises(AssertionError, match=r"subject name|does not match"):
            ask("unsafe.example")


def test_an_ingress_gateway_carries_bytes(mesh_agents: Cluster) -> None:
    (port,) = free_ports(1)
    with echo() as backend:
        register(mesh_agents.clients["two"], "in-bytes", backend)
        listener = {"Port": port, "Protocol": "tcp", "Services": [{"Name": "in-bytes"}]}
        write_entry(mesh_agents.server, "ingress-gateway", "in-tcp", Listeners=[listener])
        gateway(mesh_agents.clients["one"], "ingress-gateway", "in-tcp")

        def exchange() -> None:
            with Line(port) as line:
                assert line.ask(b"hello") == b"hello"

        wait_done(exchange)


def test_an_api_gateway_sends_requests_where_its_routes_say(mesh_agents: Cluster) -> None:
    server = mesh_agents.server
    (port,) = free_ports(1)
    with instances(mesh_agents, "api-shop", {}), instances(mesh_agents, "api-cart", {}):
        listener = {"Name": "web", "Port": port, "Protocol": "http", "Hostname": "*.example"}
        write_entry(server, "api-gateway", "api-gate", Listeners=[listener])
        to_cart = {
            "Matches": [{"Path": {"Match": "prefix", "Value": "/cart"}}],
            "Services": [{"Name": "api-cart"}],
            "Filters": {"Headers": [{"Set": {"x-via": "gate"}}], "URLRewrite": {"Path": "/c"}},
        }
        to_shop = {"Services": [{"Name": "api-shop"}]}
        write_entry(
            server,
            "http-route",
            "api-route",
            Parents=[{"Kind": "api-gateway", "Name": "api-gate", "SectionName": "web"}],
            Hostnames=["shop.example"],
            Rules=[to_cart, to_shop],
        )
        gateway(mesh_agents.clients["one"], "api-gateway", "api-gate")

        wait_served(port, "shop.example", "api-shop-0")
        cart = call(port, "/cart/1", headers={"Host": "shop.example"})
        assert ("api-cart-0", "/c/1") == (cart.served_by, cart.seen["path"])
        assert ["x-via", "gate"] in [[n.lower(), v] for n, v in cart.seen["headers"]]
        assert "404" == served(port, "other.example")
        intend(server, "api-gate", "api-shop", "deny")
        wait_served(port, "shop.example", "403")


# The way out.


def outside(agents: Cluster, service: str, port: int) -> None:
    """A service of a node that has no agent."""
    body = {
        "Node": f"{service}-node",
        "Address": LOOPBACK,
        "Service": {"Service": service, "Port": port, "Address": LOOPBACK},
    }
    agents.server.put_ok("/v1/catalog/register", body)


def test_a_terminating_gateway_leads_out_to_whom_intentions_allow(mesh_agents: Cluster) -> None:
    with app("out-plain") as back:
        speak(mesh_agents.server, "http", "out-plain")
        outside(mesh_agents, "out-plain", back.port)
        services = [{"Name": "out-plain"}]
        write_entry(mesh_agents.server, "terminating-gateway", "out-gate", Services=services)
        gateway(mesh_agents.clients["two"], "terminating-gateway", "out-gate")
        front = caller(mesh_agents, "out-front", "out-plain")

        front.wait_reach("out-plain")

        assert "out-plain" == front.call("out-plain", "/x").served_by
        explained = explain(front.agent, "out-front", "out-plain")
        assert {"out-gate"} == explained.instances
        intend(mesh_agents.server, "out-front", "out-plain", "deny")
        wait_answer(front, "out-plain", lambda answer: answer.status == 403)
        assert not explain(front.agent, "out-front", "out-plain").allowed


@contextmanager
def tls_app(authority: trustme.CA, host: str, *, asks_client: bool = False) -> Iterator[App]:
    """An application that speaks TLS as a host, and may ask for a certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(host).configure_cert(context)
    if asks_client:
        context.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(context)
    with app(host, tls=context) as made:
        yield made


def test_a_terminating_gateway_checks_whom_it_dials_with_tls(
    mesh_agents: Cluster, tmp_path: Path
) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    stranger.cert_pem.write_to_path(tmp_path / "stranger.pem")
    own = authority.issue_cert("gateway.example")
    own.private_key_pem.write_to_path(tmp_path / "key.pem")
    own.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    names = ("out-tls", "out-mutual", "out-other-name", "out-stranger", "out-no-certificate")
    known = {"CAFile": str(tmp_path / "ca.pem"), "SNI": "bank.example"}
    shown = {"CertFile": str(tmp_path / "cert.pem"), "KeyFile": str(tmp_path / "key.pem")}
    services = [
        {"Name": "out-tls", **known},
        {"Name": "out-mutual", **known, **shown},
        {"Name": "out-other-name", **known, "SNI": "other.example"},
        {"Name": "out-stranger", **known, "CAFile": str(tmp_path / "stranger.pem")},
        {"Name": "out-no-certificate", **known},
    ]
    with (
        tls_app(authority, "bank.example") as open_bank,
        tls_app(authority, "bank.example", asks_client=True) as shut_bank,
    ):
        speak(mesh_agents.server, "http", *names)
        for name in names:
            is_shut = name in {"out-mutual", "out-no-certificate"}
            outside(mesh_agents, name, (shut_bank if is_shut else open_bank).port)
        write_entry(mesh_agents.server, "terminating-gateway", "out-safe", Services=services)
        gateway(mesh_agents.clients["two"], "terminating-gateway", "out-safe")
        front = caller(mesh_agents, "out-safe-front", *names)

        for name in ("out-tls", "out-mutual"):
            front.wait_reach(name)
        for name in ("out-other-name", "out-stranger", "out-no-certificate"):
            wait_answer(front, name, lambda answer: answer.status == 503)
