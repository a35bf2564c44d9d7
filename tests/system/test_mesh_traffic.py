"""What sidecars carry, in every protocol, between services on three agents."""

import http.client
import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import websockets
import websockets.sync.client

from tests.system.agent_process import LOOPBACK, free_ports, wait_until
from tests.system.cluster import Cluster
from tests.system.mesh_backends import (
    BULK_BYTES,
    bulk,
    bulk_app,
    counting_app,
    digest,
    event_app,
    http2_app,
    unix_app,
    websocket_app,
)
from tests.system.mesh_site import (
    Line,
    Sidecar,
    app,
    echo,
    intend,
    register,
    speak,
    write_entry,
)
from tests.system.mesh_traffic import (
    assert_share,
    explain,
    linked,
    spread,
    upstream_port,
    wait_answer,
    wait_done,
    wait_listens,
)

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
        words = ("mesh", "explain", "plain-front", "plain-back", "GET", "/hello")
        told = one.run(*words)
        assert (0, True) == (told.returncode, b"two/back-two" in told.stdout)

        intend(mesh_agents.server, "plain-front", "plain-back", "deny")
        wait_answer(front, "plain-back", lambda a: a.status == 403)
        assert not explain(one, "plain-front", "plain-back").allowed
        told = one.run(*words)
        assert (1, True) == (told.returncode, b"Precedence: 9, Action: DENY" in told.stdout)


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


def curl(*arguments: str) -> bytes:
    """What curl prints; it must succeed."""
    command = ["curl", "-sS", *arguments]
    done = subprocess.run(command, capture_output=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_bytes_go_both_ways_and_each_way_ends_alone(mesh_agents: Cluster) -> None:
    with counting_app() as port:
        front = linked(mesh_agents, "half", "tcp", port)

        def count(size: int) -> bytes:
            with socket.create_connection((LOOPBACK, upstream_port(front)), 10) as stream:
                stream.sendall(bytes(size))
                stream.shutdown(socket.SHUT_WR)
                return stream.makefile("rb").read()

        wait_done(lambda: int(count(1)))

        assert b"3000000" == count(3_000_000)
        assert {"half-back"} == explain(front.agent, "half-front", "half-back").instances


def test_many_bytes_arrive_whole_while_as_many_come_back(mesh_agents: Cluster) -> None:
    with echo() as port:
        front = linked(mesh_agents, "bytes", "tcp", port)

        def reach() -> None:
            with Line(upstream_port(front)) as line:
                assert line.ask(b"x") == b"x"

        wait_done(reach)
        with socket.create_connection((LOOPBACK, upstream_port(front)), 30) as stream:

            def send() -> None:
                for piece in bulk():
                    stream.sendall(piece)
                stream.shutdown(socket.SHUT_WR)

            sending = threading.Thread(target=send)
            sending.start()
            received = digest(iter(lambda: stream.recv(1 << 16), b""))
            sending.join()

        assert digest(bulk()) == received


def test_the_called_side_is_told_who_calls(mesh_agents: Cluster) -> None:
    with app("who") as back:
        front = linked(mesh_agents, "who", "http", back.port)
        front.wait_reach("who-back")

        lie = {"x-forwarded-client-cert": "By=spiffe://lie;URI=spiffe://liar"}
        seen = front.call("who-back", headers=lie).seen["headers"]

        (told,) = [value for name, value in seen if name.lower() == "x-forwarded-client-cert"]
        assert "liar" not in told
        assert told.count("URI=") == 1
        assert "/ns/default/dc/dc1/svc/who-front" in told


def test_a_server_may_speak_first(mesh_agents: Cluster) -> None:
    with echo(b"220 hello\r\n") as port:
        front = linked(mesh_agents, "greet", "tcp", port)

        def greeted() -> None:
            with socket.create_connection((LOOPBACK, upstream_port(front)), 10) as stream:
                assert stream.makefile("rb").readline() == b"220 hello\r\n"

        wait_done(greeted)


def test_events_arrive_as_they_are_sent(mesh_agents: Cluster) -> None:
    with event_app() as events:
        front = linked(mesh_agents, "event", "http", events.port)
        wait_listens(front)
        wait_until(
            lambda: explain(front.agent, "event-front", "event-back").instances,
            what="the instance",
        )
        with http_answer(front) as answer:
            assert 200 == answer.status
            for text in (b"one", b"two", b"three"):
                events.send(text)
                assert text == answer.read1(100)
            events.send(b"")
            assert b"" == answer.read()


@contextmanager
def http_answer(front: Sidecar) -> Iterator[http.client.HTTPResponse]:
    """The head of an answer, whose body is still to come."""
    connection = http.client.HTTPConnection(LOOPBACK, upstream_port(front), timeout=10)
    try:
        connection.request("GET", "/")
        yield connection.getresponse()
    finally:
        connection.close()


def test_requests_of_unusual_forms(mesh_agents: Cluster, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"x" * 100_000)
    with app("form") as back:
        front = linked(mesh_agents, "form", "http", back.port)
        front.wait_reach("form-back")
        url = f"http://{LOOPBACK}:{upstream_port(front)}"
        body = f"@{tmp_path / 'body'}"

        head = front.call("form-back", "/h", method="HEAD")
        expecting = curl("-f", "-H", "Expect: 100-continue", "--data-binary", body, f"{url}/e")
        odd = front.call("form-back", "/a/../b//c?d=%2F&e=%", method="DELETE")

        assert (200, b"") == (head.status, head.body)
        assert "x" * 100_000 == json.loads(expecting)["body"]
        assert ("DELETE", "/b//c?d=%2F&e=%") == (odd.seen["method"], odd.seen["path"])


def test_http2_from_end_to_end(mesh_agents: Cluster) -> None:
    with http2_app() as port:
        front = linked(mesh_agents, "two", "http2", port)
        url = f"http://{LOOPBACK}:{upstream_port(front)}"
        wait_done(lambda: curl("--http2-prior-knowledge", "-f", f"{url}/"))

        said = curl("--http2-prior-knowledge", "-w", " %{http_version} %{http_code}", f"{url}/a?b")
        load = subprocess.run(
            ["h2load", "-n", "500", "-c", "3", "-m", "10", f"{url}/load"],
            capture_output=True,
            timeout=30,
            check=True,
        )

        assert b"/a?b 2 200" == said
        assert b"500 succeeded, 0 failed, 0 errored, 0 timeout" in load.stdout


def test_a_client_of_http2_calls_an_application_of_http1(mesh_agents: Cluster) -> None:
    with bulk_app() as port:
        front = linked(mesh_agents, "mixed", "http", port)
        url = f"http://{LOOPBACK}:{upstream_port(front)}/"
        options = ("--http2-prior-knowledge", "-f", "-w", "%{http_version} %{size_download}")
        wait_done(lambda: curl(*options, "-o/dev/null", url))

        said = curl(*options, "-o/dev/null", url)

        assert f"2 {BULK_BYTES}" == said.decode()


def test_websocket_messages_and_close_codes(mesh_agents: Cluster) -> None:
    with websocket_app() as port:
        front = linked(mesh_agents, "ws", "http", port)
        url = f"ws://{LOOPBACK}:{upstream_port(front)}/chat"
        big = bytes(range(256)) * 4096

        def greet() -> None:
            with websockets.sync.client.connect(url):
                pass

        wait_done(greet)
        with websockets.sync.client.connect(url, max_size=1 << 22) as line:
            line.send("hello, wörld")
            assert "hello, wörld" == line.recv(10)
            line.send(big)
            assert big == line.recv(20)
            line.send("bye")
            with pytest.raises(websockets.ConnectionClosedError) as closed:
                line.recv(10)
        assert closed.value.rcvd is not None
        assert (4001, "as you say") == (closed.value.rcvd.code, closed.value.rcvd.reason)


def test_large_bodies_arrive_whole_both_ways(mesh_agents: Cluster) -> None:
    with bulk_app() as port:
        front = linked(mesh_agents, "bulk", "http", port)
        expected = digest(bulk())
        connection = http.client.HTTPConnection(LOOPBACK, upstream_port(front), timeout=30)

        def put_little() -> None:
            probe = http.client.HTTPConnection(LOOPBACK, upstream_port(front), timeout=5)
            probe.request("PUT", "/", b"x")
            assert probe.getresponse().status == 200
            probe.close()

        wait_done(put_little)
        connection.request("PUT", "/", bulk(), {"Content-Length": str(BULK_BYTES)})
        sent = connection.getresponse().read().decode()
        connection.request("GET", "/")
        answer = connection.getresponse()
        received = digest(iter(lambda: answer.read(1 << 16), b""))
        connection.close()

        assert (expected, expected) == (sent, received)


def test_sockets_of_files_on_both_ends(mesh_agents: Cluster, tmp_path: Path) -> None:
    """The application listens on one, and the client's upstream is one."""
    backend, upstream = tmp_path / "app.sock", tmp_path / "up.sock"
    speak(mesh_agents.server, "http", "file-back", "file-front")
    with unix_app(str(backend)):
        two, one = mesh_agents.clients["two"], mesh_agents.clients["one"]
        register(two, "file-back", 0, proxy={"LocalServiceSocketPath": str(backend)})
        socket_upstream = {
            "DestinationName": "file-back",
            "LocalBindSocketPath": str(upstream),
            "LocalBindSocketMode": "640",
        }
        register(one, "file-front", 1, upstreams=[socket_upstream])
        ask = ("--unix-socket", str(upstream), "-f", "http://file-back/")
        wait_done(lambda: curl(*ask))

        assert b"from a socket" == curl(*ask)
        assert 0o640 == upstream.stat().st_mode & 0o777


def test_an_exposed_path_is_open_to_everybody_and_no_other_is(mesh_agents: Cluster) -> None:
    with app("open") as back:
        (port,) = free_ports(1)
        path = {"Path": "/health", "LocalPathPort": back.port, "ListenerPort": port}
        proxy = {"Expose": {"Paths": [{**path, "Protocol": "http"}]}}
        linked(mesh_agents, "open", "http", back.port, proxy=proxy)
        url = f"http://{LOOPBACK}:{port}"
        wait_done(lambda: curl("-f", f"{url}/health"))

        assert "/health" == json.loads(curl(f"{url}/health"))["path"]
        assert b"404" == curl("-o/dev/null", "-w%{http_code}", f"{url}/secret")
        assert not back.requests["GET", "/secret"]
