"""Claims about the HTTP client: transports, headers, and plain-text failures."""

import http.server
import socket
import socketserver
import ssl
import threading

import pytest
import trustme

from agent.cli.client import Client, key_path
from agent.cli.failure import ApiError, TransportError
from agent.cli.settings import settings_from


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.headers.get("X-Consul-Token", "none").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self):
        return "local"

    def log_message(self, format, *args):
        return


class UnixServer(socketserver.UnixStreamServer):
    def handle_error(self, request, client_address):
        return


def serve(server):
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


def test_unix_socket_is_spoken(tmp_path):
    with serve(UnixServer(str(tmp_path / "s"), Hello)) as server:
        client = Client(settings_from({"http-addr": f"unix://{tmp_path}/s", "token": "t"}, {}))

        assert client.get("/x").body == b"t"
        server.shutdown()


def test_tls_verifies_by_ca_file_and_expected_name(tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("server.dc1.consul").configure_cert(context)
    with serve(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None
        flags = {
            "http-addr": f"https://127.0.0.1:{server.server_address[1]}",
            "ca-file": str(tmp_path / "ca.pem"),
        }

        named = Client(settings_from({**flags, "tls-server-name": "server.dc1.consul"}, {}))
        assert named.get("/x").body == b"none"
        with pytest.raises(TransportError, match="certificate"):
            Client(settings_from(flags, {})).get("/x")
        unverified = settings_from(flags, {"CONSUL_HTTP_SSL_VERIFY": "false"})
        assert Client(unverified).get("/x").body == b"none"
        server.shutdown()


def test_bad_status_carries_code_and_text(agent):
    agent.say("GET", "/v1/x", b"Permission denied\n", status=403)

    with pytest.raises(ApiError) as caught:
        Client(settings_from({})).get("/v1/x")

    assert str(caught.value) == "Unexpected response code: 403 (Permission denied)"


def test_connection_cut_before_an_answer_is_eof():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"

        def cut():
            connection, _ = listener.accept()
            connection.recv(4096)
            connection.close()

        threading.Thread(target=cut, daemon=True).start()
        with pytest.raises(TransportError) as caught:
            Client(settings_from({"http-addr": address}, {})).get("/v1/x")

    assert str(caught.value) == f'Get "http://{address}/v1/x": EOF'


def test_token_and_authorization_are_sent(agent, monkeypatch):
    monkeypatch.setenv("CONSUL_HTTP_AUTH", "u:p")
    monkeypatch.setenv("CONSUL_HTTP_TOKEN", "secret")
    agent.say("GET", "/v1/x", [])

    Client(settings_from({})).get("/v1/x")

    assert agent.requests[0].headers["X-Consul-Token"] == "secret"
    assert agent.requests[0].headers["Authorization"] == "Basic dTpw"


def test_key_that_is_no_utf8_keeps_its_bytes():
    assert key_path(b"\xff/a".decode("utf-8", "surrogateescape")) == "/v1/kv/%FF/a"
