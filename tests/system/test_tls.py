"""TLS on the servers' port: who may come in, who may pose as a server, new certificates live."""

import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from raft.wire import PREAMBLE
from tests.system.agent_process import (
    LOOPBACK,
    AgentProcess,
    AgentStarter,
    free_ports,
    wait_until,
)
from tests.system.certificates import VERIFY_ALL, Certificates, key_of, serial_of, tls_options
from tests.system.cluster import Cluster, client_options, member_status, spawn, wait_logged
from tests.system.servers import Servers, loopback_servers, server_options
from tests.system.wan import BOTH_ALIVE, datacenter, wait_wan, wan_address

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

# Far above what a refusal takes; a server that answers nothing ends as a failure.
ANSWER_WAIT_S = 10.0
# Who is refused need not wait for a leader.
QUICK_ANSWER = '-hcl=performance { rpc_hold_timeout = "100ms" }'
LOAD_S = 4.0  # writes before, during and after three reloads


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("ours") / "ca")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("theirs") / "ca")


@pytest.fixture(scope="module")
def trio(ours: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Three servers that verify everything."""
    starter = AgentStarter(tmp_path_factory.mktemp("trio"))
    try:
        servers = loopback_servers(starter, 3, *tls_options(ours.issue("server"), ours.ca))
        servers.start()
        yield servers
    finally:
        starter.end_all()


def s_client(port: int, *options: str) -> str:
    """What ``openssl s_client`` tells of a server's port."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"{LOOPBACK}:{port}", *options],
        input="",
        capture_output=True,
        text=True,
        timeout=ANSWER_WAIT_S,
        check=False,
    )
    return done.stdout + done.stderr


def shown_serial(port: int) -> int:
    """The serial number of the certificate that a server shows."""
    printed = s_client(port, "-showcerts")
    begin = printed.index("-----BEGIN CERTIFICATE")
    end = printed.index("-----END CERTIFICATE-----") + len("-----END CERTIFICATE-----")
    return serial_of(printed[begin:end])


def metric(agent: AgentProcess, cause: str) -> int:
    """How often connections were refused for a cause."""
    counters = agent.get("/v1/agent/metrics").json["Counters"]
    return sum(
        each["Count"]
        for each in counters
        if each["Name"].endswith("rpc.connection_refused") and each["Labels"]["cause"] == cause
    )


def test_a_server_and_a_client_form_a_cluster_and_write(
    start_agent: AgentStarter, ours: Certificates
) -> None:
    cluster = Cluster(start_agent, "-node=s1", *tls_options(ours.issue("server"), ours.ca))
    client = cluster.client("c1", *tls_options(ours.issue("client"), ours.ca))

    client.put_ok("/v1/kv/over/tls", "x")

    assert client.get("/v1/kv/over/tls?raw").text == "x"
    tags = {each["Name"]: each["Tags"] for each in client.get("/v1/agent/members").json}
    assert tags["s1"]["use_tls"] == "1"


def test_three_servers_replicate_over_tls_and_survive_their_leader(trio: Servers) -> None:
    leader = trio.wait_leader()
    trio[leader].put_ok("/v1/kv/before", "x")

    trio[leader].kill()
    other = trio.wait_leader(other_than=leader)
    follower = next(name for name in trio.running if name != other)
    wait_until(lambda: trio[follower].put("/v1/kv/after", "y").status == 200, what="a write")
    trio[leader].restart()

    assert trio[other].get("/v1/kv/before?raw").text == "x"
    wait_until(
        lambda: trio[leader].get("/v1/kv/after?raw&stale").text == "y",
        what="the write on the server that came back",
    )


@pytest.mark.parametrize("who", ["another authority", "self-signed", "expired", "none", "plain"])
def test_an_agent_without_a_good_certificate_reads_nothing(
    who: str, trio: Servers, ours: Certificates, theirs: Certificates, start_agent: AgentStarter
) -> None:
    server = trio[trio.wait_leader()]
    keys = VERIFY_ALL[1:2]
    match who:
        case "another authority":
            options = tls_options(theirs.issue("client"), ours.ca, keys)
        case "self-signed":
            own = theirs.directory / "self-signed.pem"
            shutil.copy(theirs.ca, own)
            shutil.copy(theirs.directory / "consul-agent-ca-key.pem", key_of(own))
            options = tls_options(own, ours.ca, keys)
        case "expired":
            options = tls_options(ours.issue_expired("client"), ours.ca, keys)
        case "none":
            options = tls_options(None, ours.ca, keys)
        case _:
            options = ()
    joined = f"-retry-join={LOOPBACK}:{server.ports['serf-lan']}"
    name = f"c-{who.replace(' ', '-')}"
    own_options = client_options(name, start_agent.directory / name)
    stranger = spawn(start_agent.make(*own_options, joined, QUICK_ANSWER, *options, dev=False))
    wait_logged(stranger, "server not reached")

    refused = stranger.get("/v1/kv/before?raw")

    assert refused.status == 500, refused.text
    wait_until(
        lambda: any("rpc connection refused" in trio[name].log_tail() for name in trio.running),
        what="a server's word of it",
    )


def test_a_server_of_another_authority_gets_nothing_of_the_log(
    trio: Servers, theirs: Certificates, start_agent: AgentStarter
) -> None:
    leader = trio.wait_leader()
    trio[leader].put_ok("/v1/kv/secret", "x")
    peers = [f"{LOOPBACK}:{agent.ports['serf-lan']}" for agent in trio.agents.values()]
    rogue = start_agent.make(
        *server_options("rogue", 3, start_agent.directory / "rogue", peers),
        f"-bind={LOOPBACK}",
        *tls_options(theirs.issue("server"), theirs.ca),
        dev=False,
    )

    spawn(rogue)
    wait_until(lambda: "rogue" in member_status(trio[leader]), what="the rogue in gossip")
    wait_logged(rogue, "server not asked yet")

    assert rogue.get("/v1/kv/secret?raw&stale").status != 200
    assert rogue.get("/v1/agent/self").json["Stats"]["raft"]["last_log_index"] == "0"
    assert not trio.members(leader).get("rogue", False)


def test_plain_bytes_of_either_protocol_get_no_answer(trio: Servers) -> None:
    for first in (PREAMBLE, b"\0\0\0\x10" + b"x" * 16, b"GET / HTTP/1.1\r\n\r\n"):
        with socket.create_connection((LOOPBACK, trio["s1"].ports["server"]), ANSWER_WAIT_S) as s:
            s.sendall(first)
            try:
                answer = s.recv(100)
            except ConnectionResetError:
                answer = b""
        assert answer == b""
    wait_until(lambda: metric(trio["s1"], "plain"), timeout_s=ANSWER_WAIT_S * 2, what="the count")


def test_a_clients_certificate_does_not_speak_to_the_log(trio: Servers, ours: Certificates) -> None:
    server = trio["s1"]
    certificate = ours.issue("client")
    context = ssl.create_default_context(cafile=ours.ca)
    context.load_cert_chain(certificate, key_of(certificate))
    address = (LOOPBACK, server.ports["server"])

    with (
        socket.create_connection(address, ANSWER_WAIT_S) as plain,
        context.wrap_socket(plain, server_hostname="server.dc1.consul") as stream,
    ):
        stream.sendall(PREAMBLE + b"\0" * 64)
        try:
            answer = stream.recv(100)
        except (ConnectionResetError, ssl.SSLEOFError):
            answer = b""

    assert answer == b""
    wait_logged(server, "the certificate is not for server.dc1.consul")


def test_a_server_with_a_clients_certificate_is_not_asked(
    start_agent: AgentStarter, ours: Certificates
) -> None:
    lax = ("verify_incoming = true", "verify_outgoing = true")
    cluster = Cluster(start_agent, "-node=s1", *tls_options(ours.issue("client"), ours.ca, lax))
    client = cluster.make_client("c1", *tls_options(ours.issue("client"), ours.ca))

    spawn(client)
    wait_logged(client, "server not reached")

    assert "hostname mismatch" in client.log_tail().lower()
    assert client.get("/v1/kv/x").status == 500


def test_versions_below_1_2_are_refused_and_1_3_is_spoken(
    trio: Servers, ours: Certificates
) -> None:
    port = trio["s1"].ports["server"]
    own = ours.issue("client")
    shown = ("-cert", str(own), "-key", str(key_of(own)), "-CAfile", str(ours.ca))
    old = ("-tls1_1", "-cipher", "ALL:@SECLEVEL=0")

    assert "Cipher is (NONE)" in s_client(port, *shown, *old)
    assert "Protocol  : TLSv1.2" in s_client(port, *shown, "-tls1_2")
    newest = s_client(port, *shown, "-tls1_3")
    assert "TLSv1.3" in newest
    assert "Verify return code: 0 (ok)" in newest


def test_new_certificates_are_taken_live_without_a_failed_write(
    start_agent: AgentStarter, ours: Certificates
) -> None:
    live = start_agent.directory / "live.pem"
    install(ours.issue("server"), live)
    servers = loopback_servers(start_agent, 3, *tls_options(live, ours.ca))
    servers.start()
    servers.wait_leader()
    failed: list[str] = []
    done = threading.Event()
    writers = [
        threading.Thread(target=write_on, args=(servers[name], done, failed)) for name in servers
    ]
    for writer in writers:
        writer.start()

    fresh = ours.issue("server")
    install(fresh, live)
    for name in servers:
        process = servers[name].process
        assert process is not None
        process.send_signal(signal.SIGHUP)
    expected = serial_of(fresh.read_text())
    for name in servers:
        port = servers[name].ports["server"]
        wait_until(lambda port=port: shown_serial(port) == expected, what="the new certificate")
    done.wait(LOAD_S)
    done.set()
    for writer in writers:
        writer.join()

    assert failed == []


def install(certificate: Path, place: Path) -> None:
    """Put a certificate and its key where an agent reads them."""
    shutil.copy(certificate, place)
    shutil.copy(key_of(certificate), key_of(place))


def write_on(agent: AgentProcess, done: threading.Event, failed: list[str]) -> None:
    """Write until told to stop, and keep what failed."""
    number = 0
    while not done.is_set():
        number += 1
        answer = agent.put(f"/v1/kv/load/{agent.ports['http']}", str(number))
        if answer.status != 200 or answer.text != "true":
            failed.append(f"{number}: {answer.status} {answer.text}")
        time.sleep(0.005)


def test_a_reload_with_a_bad_certificate_is_refused_and_changes_nothing(
    start_agent: AgentStarter, ours: Certificates
) -> None:
    live = start_agent.directory / "live.pem"
    first = ours.issue("server")
    install(first, live)
    agent = start_agent("-node=s1", *tls_options(live, ours.ca))

    key_of(live).write_text("no key")
    refused = agent.put("/v1/agent/reload")

    assert refused.status == 500
    assert "live-key.pem" in refused.text
    assert shown_serial(agent.ports["server"]) == serial_of(first.read_text())


def test_another_datacenter_is_asked_by_the_name_of_its_servers(
    start_agent: AgentStarter, ours: Certificates
) -> None:
    own = [tls_options(ours.issue("server", f"-dc=dc{number}"), ours.ca) for number in (1, 2)]
    near, far = (datacenter(start_agent, number, *own[number - 1]) for number in (1, 2))
    far.put_ok(f"/v1/agent/join/{wan_address(near)}?wan=1")
    for server in (near, far):
        wait_wan(server, BOTH_ALIVE)
    far.put_ok("/v1/kv/there", "x")

    assert near.get("/v1/kv/there?raw&dc=dc2").text == "x"
    shown = s_client(far.ports["server"], "-servername", "any")
    assert "subject=CN = server.dc2.consul" in shown


def test_another_datacenter_with_our_servers_certificate_is_not_asked(
    start_agent: AgentStarter, ours: Certificates
) -> None:
    own = tls_options(ours.issue("server"), ours.ca)
    near = datacenter(start_agent, 1, *own)
    lax = ("verify_incoming = true", "verify_outgoing = true")
    far = datacenter(start_agent, 2, *tls_options(ours.issue("server"), ours.ca, lax))
    far.put_ok(f"/v1/agent/join/{wan_address(near)}?wan=1")
    for server in (near, far):
        wait_wan(server, BOTH_ALIVE)

    refused = near.get("/v1/kv/there?raw&dc=dc2")

    assert refused.status == 500
    wait_logged(near, "Hostname mismatch")


def test_https_asks_users_for_a_certificate_when_it_is_verified(
    start_agent: AgentStarter, ours: Certificates, theirs: Certificates
) -> None:
    (port,) = free_ports(1)
    live = start_agent.directory / "live.pem"
    install(ours.issue("server"), live)
    own = tls_options(live, ours.ca, ("verify_incoming_https = true",))
    agent = start_agent("-node=s1", f"-https-port={port}", *own)
    user = ours.issue("cli")

    assert curl(port, ours.ca, user) == "200"
    assert curl(port, ours.ca, theirs.issue("cli")) == "000"
    assert curl(port, ours.ca, None) == "000"

    fresh = ours.issue("server")
    install(fresh, live)
    agent.put_ok("/v1/agent/reload")

    assert shown_serial(port) == serial_of(fresh.read_text())
    assert curl(port, ours.ca, user) == "200"


def curl(port: int, ca: Path, certificate: Path | None) -> str:
    """The status that curl gets over HTTPS; 000 for none."""
    shown = ["--cert", certificate, "--key", key_of(certificate)] if certificate else []
    url = f"https://{LOOPBACK}:{port}/v1/status/leader"
    done = subprocess.run(
        ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", ca, *shown, url],
        capture_output=True,
        text=True,
        timeout=ANSWER_WAIT_S,
        check=False,
    )
    return done.stdout


def test_a_running_cluster_comes_to_tls_by_three_reloads(
    start_agent: AgentStarter, ours: Certificates
) -> None:
    settings = start_agent.directory / "tls.hcl"
    settings.write_text("")
    servers = loopback_servers(start_agent, 3, f"-config-file={settings}")
    servers.start()
    certificate = ours.issue("server")
    lines = [
        f'ca_file = "{ours.ca}" cert_file = "{certificate}" key_file = "{key_of(certificate)}"',
        "verify_outgoing = true verify_server_hostname = true",
        "verify_incoming = true",
    ]
    for count in range(1, len(lines) + 1):
        settings.write_text("\n".join(lines[:count]))
        for name in servers:
            servers[name].put_ok("/v1/agent/reload")
            servers[name].put_ok(f"/v1/kv/round/{count}", name)

    leader = servers.wait_leader()
    servers[leader].stop()
    servers[leader].restart()

    assert len(servers.wait_same("round/")) == len(lines)
    assert s_client(servers[leader].ports["server"]).count("BEGIN CERTIFICATE") == 1
