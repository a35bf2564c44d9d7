"""Intentions that change under open connections, and whether everybody says the same of them.

Source: hashicorp/consul#6454, #5277, #10763; Consul, service-intentions and jwt-provider.
"""

import base64
import http.client
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from tests.system.agent_process import LOOPBACK, AgentProcess, AgentStarter, wait_until
from tests.system.cluster import Cluster
from tests.system.mesh_site import (
    CALL_TIMEOUT_S,
    App,
    Line,
    Sidecar,
    app,
    call,
    delete_entry,
    echo,
    intend,
    register,
    speak,
    write_entry,
)
from tests.system.mesh_traffic import explain

pytestmark = pytest.mark.system

WITHIN_S = 1.0


class Kept:
    """One connection of HTTP that stays open; a test fails when it does not."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection(LOOPBACK, port, timeout=CALL_TIMEOUT_S)
        self._connection.connect()
        self._socket = self._connection.sock

    def __enter__(self) -> "Kept":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, path: str = "/", method: str = "GET", **headers: str) -> int:
        """The status of one more request."""
        self._connection.request(method, path, headers=headers)
        answer = self._connection.getresponse()
        answer.read()
        assert self._connection.sock is self._socket, "the connection was closed"
        return answer.status

    def wait(self, status: int, path: str = "/", method: str = "GET", **headers: str) -> None:
        """Return once the same request is answered so, which must be soon."""
        wait_until(
            lambda: self.ask(path, method, **headers) == status,
            timeout_s=WITHIN_S,
            pause_s=0.01,
            what=f"{status} for {method} {path}",
        )


def echoes(sidecar: Sidecar, upstream: str) -> bool:
    """Whether a new connection to a TCP upstream is let in."""
    with suppress(OSError), Line(sidecar.upstreams[upstream]) as line:
        return line.ask(b"x") == b"x"
    return False


def wait_echo(sidecar: Sidecar, upstream: str, wanted: bool = True) -> None:
    wait_until(
        lambda: echoes(sidecar, upstream) == wanted,
        timeout_s=30.0,
        what=f"{sidecar.service} {'reaches' if wanted else 'does not reach'} {upstream}",
    )


# Connections, over two agents.


class Lines:
    """``friend`` and ``foe`` on one agent call ``tcp-one`` and ``tcp-two`` on another one."""

    def __init__(self, cluster: Cluster, port: int) -> None:
        self.server = cluster.server
        front, back = cluster.clients["one"], cluster.clients["two"]
        for name in ("tcp-one", "tcp-two"):
            register(back, name, port)
        upstreams = ["tcp-one", "tcp-two"]
        self.friend = register(front, "friend", 1, upstreams=upstreams)
        self.foe = register(front, "foe", 1, upstreams=upstreams)
        for caller in (self.friend, self.foe):
            for name in upstreams:
                wait_echo(caller, name)


@pytest.fixture(scope="module")
def lines(mesh_agents: Cluster) -> Iterator[Lines]:
    with echo() as port:
        yield Lines(mesh_agents, port)


def test_a_denial_ends_open_connections_of_that_source_alone(lines: Lines) -> None:
    friend, foe = lines.friend.upstreams, lines.foe.upstreams
    with (
        Line(foe["tcp-one"]) as denied,
        Line(foe["tcp-two"]) as elsewhere,
        Line(friend["tcp-one"]) as other,
    ):
        untouched = (elsewhere, other)
        for line in (denied, *untouched):
            assert b"before" == line.ask(b"before")
        began = time.monotonic()
        intend(lines.server, "foe", "tcp-one", "deny")
        denied.wait_end(CALL_TIMEOUT_S)
        took_s = time.monotonic() - began

        assert took_s < WITHIN_S
        assert not echoes(lines.foe, "tcp-one")
        for line in untouched:
            assert b"after" == line.ask(b"after")
        began = time.monotonic()
        intend(lines.server, "foe", "tcp-one", "allow")
        wait_until(lambda: echoes(lines.foe, "tcp-one"), pause_s=0.01)
        assert time.monotonic() - began < WITHIN_S
        for line in untouched:
            assert b"still" == line.ask(b"still")


def test_a_default_that_changes_ends_what_no_intention_allows(lines: Lines) -> None:
    friend, foe = lines.friend.upstreams, lines.foe.upstreams
    intend(lines.server, "friend", "tcp-two", "allow")
    with Line(friend["tcp-two"]) as allowed, Line(foe["tcp-two"]) as denied:
        assert b"x" == allowed.ask(b"x")
        assert b"x" == denied.ask(b"x")
        began = time.monotonic()
        intend(lines.server, "*", "*", "deny")
        denied.wait_end(CALL_TIMEOUT_S)

        assert time.monotonic() - began < WITHIN_S
        assert b"after" == allowed.ask(b"after")
    delete_entry(lines.server, "service-intentions", "*")
    wait_echo(lines.foe, "tcp-two")


# Requests, on one agent.


class Requests:
    """``web`` calls ``api`` over HTTP."""

    def __init__(self, agent: AgentProcess, back: App) -> None:
        self.agent = agent
        self.back = back
        speak(agent, "http", "api", "web")
        register(agent, "api", back.port)
        self.web = register(agent, "web", 1, upstreams=["api"])
        self.web.wait_reach("api")

    def permit(self, *permissions: Mapping[str, Any], **more: Any) -> None:
        """Have these permissions decide on what web asks."""
        source = {"Name": "web", "Permissions": list(permissions)}
        write_entry(self.agent, "service-intentions", "api", Sources=[source], **more)

    def explained(self, path: str, method: str = "GET", **headers: str) -> bool:
        """Whether `mesh explain` says that a request is allowed."""
        return explain(self.agent, "web", "api", path, method=method, headers=headers).allowed

    @contextmanager
    def kept(self) -> Iterator[Kept]:
        """An open connection of web, who is allowed everything at first."""
        wait_until(lambda: self.web.reaches("api"), what="web reaches api")
        with Kept(self.web.upstreams["api"]) as kept:
            assert kept.ask() == 200
            try:
                yield kept
            finally:
                self.agent.delete("/v1/config/service-intentions/api")


@pytest.fixture(scope="module")
def requests(agent: AgentProcess) -> Iterator[Requests]:
    with app("api") as back:
        yield Requests(agent, back)


ALLOW_ALL = {"Action": "allow", "HTTP": {"PathPrefix": "/"}}


@pytest.mark.parametrize(
    ("match", "denied", "allowed"),
    [
        ({"PathExact": "/secret"}, ("/secret",), ("/secret/x",)),
        ({"PathPrefix": "/admin"}, ("/admin/users",), ("/public",)),
        ({"PathRegex": "/v[0-9]+/.*"}, ("/v2/x",), ("/vx/x",)),
        ({"PathPrefix": "/", "Methods": ["DELETE"]}, ("/", "DELETE"), ("/", "GET")),
        ({"PathPrefix": "/admin"}, ("/public/%2e%2e/admin",), ("/public/%2e/admin",)),
    ],
    ids=["exact", "prefix", "regex", "method", "dots"],
)
def test_a_denied_request_is_refused_on_the_open_connection(
    requests: Requests, match: dict[str, Any], denied: tuple[str, ...], allowed: tuple[str, ...]
) -> None:
    with requests.kept() as kept:
        assert (200, 200) == (kept.ask(*denied), kept.ask(*allowed))

        requests.permit({"Action": "deny", "HTTP": match}, ALLOW_ALL)

        kept.wait(403, *denied)
        seen = requests.back.count
        assert 403 == kept.ask(*denied)
        assert seen == requests.back.count
        assert 200 == kept.ask(*allowed)
        assert (False, True) == (requests.explained(*denied), requests.explained(*allowed))


def test_a_header_decides_on_the_open_connection(requests: Requests) -> None:
    with requests.kept() as kept:
        header = {"Name": "x-team", "Exact": "core"}
        permission = {"Action": "allow", "HTTP": {"PathPrefix": "/", "Header": [header]}}
        requests.permit(permission, {"Action": "deny", "HTTP": {"PathPrefix": "/"}})

        kept.wait(403)
        assert 200 == kept.ask(**{"X-Team": "core"})
        assert 403 == kept.ask(**{"X-Team": "other"})
        assert requests.explained("/", **{"x-team": "core"})
        assert not requests.explained("/", **{"x-team": "other"})


def test_a_plain_denial_and_its_end_act_on_the_next_request(requests: Requests) -> None:
    with requests.kept() as kept:
        intend(requests.agent, "web", "api", "deny")
        kept.wait(403)
        assert not requests.explained("/")

        intend(requests.agent, "web", "api", "allow")
        kept.wait(200)
        assert requests.explained("/")


class Keys:
    """A key that signs tokens, as a provider is told of it."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def local(self) -> dict[str, Any]:
        key = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        text = json.dumps({"keys": [key | {"kid": "one", "alg": "ES256"}]})
        return {"Local": {"JWKS": base64.b64encode(text.encode()).decode()}}

    def token(self, **claims: Any) -> str:
        claims = {"iss": "issuer", "exp": time.time() + 600} | claims
        return "Bearer " + jwt.encode(claims, self._key, "ES256", {"kid": "one"})


def test_a_token_decides_on_the_open_connection(requests: Requests) -> None:
    keys, others = Keys(), Keys()
    write_entry(requests.agent, "jwt-provider", "okta", Issuer="issuer", JSONWebKeySet=keys.local)
    wanted = {
        "Providers": [{"Name": "okta", "VerifyClaims": [{"Path": ["role"], "Value": "boss"}]}]
    }
    with requests.kept() as kept:
        permission = {"Action": "allow", "HTTP": {"PathPrefix": "/"}, "JWT": wanted}
        requests.permit(permission, {"Action": "deny", "HTTP": {"PathPrefix": "/"}})

        kept.wait(403)
        good = keys.token(role="boss")
        assert 200 == kept.ask(Authorization=good)
        for bad in (
            keys.token(role="clerk"),
            keys.token(),
            keys.token(role="boss", iss="somebody"),
            keys.token(role="boss", exp=time.time() - 3600),
            others.token(role="boss"),
        ):
            assert kept.ask(Authorization=bad) in {401, 403}
        write_entry(
            requests.agent, "jwt-provider", "okta", Issuer="issuer", JSONWebKeySet=others.local
        )
        kept.wait(200, Authorization=others.token(role="boss"))
        assert kept.ask(Authorization=good) in {401, 403}


# Precedence.

CASES: dict[str, tuple[dict[tuple[str, str], str], bool]] = {
    "none": ({}, True),
    "exact over any source": ({("a", "b"): "allow", ("*", "b"): "deny"}, True),
    "any source over any": ({("*", "b"): "allow", ("*", "*"): "deny"}, True),
    "exact destination over exact source": ({("*", "b"): "deny", ("a", "*"): "allow"}, False),
    "exact source over any": ({("a", "*"): "allow", ("*", "*"): "deny"}, True),
    "another source": ({("c", "b"): "allow", ("*", "*"): "deny"}, False),
    "another destination": ({("a", "c"): "deny"}, True),
}


class Pair:
    """``a`` calls ``b`` over TCP, on one agent."""

    def __init__(self, agent: AgentProcess, port: int) -> None:
        self.agent = agent
        register(agent, "b", port)
        self.a = register(agent, "a", 1, upstreams=["b"])

    def told(self) -> dict[str, bool]:
        """Whether a may call b, by whom it is told."""
        domain = self.agent.get("/v1/connect/ca/roots").json["TrustDomain"]
        uri = f"spiffe://{domain}/ns/default/dc/dc1/svc/a"
        question = json.dumps({"Target": "b", "ClientCertURI": uri}).encode()
        authorized = self.agent.request("POST", "/v1/agent/connect/authorize", question).json
        return {
            "check": self.agent.run("intention", "check", "a", "b").returncode == 0,
            "authorize": authorized["Authorized"],
            "explain": explain(self.agent, "a", "b").allowed,
            "mesh": echoes(self.a, "b"),
        }

    def assert_all(self, wanted: bool) -> None:
        wait_echo(self.a, "b", wanted)
        assert dict.fromkeys(("check", "authorize", "explain", "mesh"), wanted) == self.told()


@pytest.fixture(scope="module")
def pair(agent: AgentProcess) -> Iterator[Pair]:
    with echo() as port:
        yield Pair(agent, port)


@pytest.mark.parametrize("case", CASES)
def test_the_most_exact_intention_decides_whoever_is_asked(pair: Pair, case: str) -> None:
    intentions, wanted = CASES[case]
    with ExitStack() as undone:
        for (source, destination), action in intentions.items():
            intend(pair.agent, source, destination, action)
            path = f"/v1/connect/intentions/exact?source={source}&destination={destination}"
            undone.callback(pair.agent.delete, path)
        pair.assert_all(wanted)


def test_where_the_default_is_to_deny_only_intentions_allow(start_agent: AgentStarter) -> None:
    agent = start_agent('-hcl=default_intention_policy = "deny"', "-datacenter=dc1")
    with echo() as port, app("http") as back:
        pair = Pair(agent, port)
        speak(agent, "http", "h", "a")
        register(agent, "h", back.port)
        front = register(agent, "front", 1, upstreams=["h"])
        wait_until(lambda: status(front) == 403, timeout_s=30.0, what="the refusal")
        pair.assert_all(False)

        intend(agent, "front", "h", "allow")
        wait_until(lambda: status(front) == 200, timeout_s=WITHIN_S * 2, what="the permission")
        intend(agent, "a", "b", "allow")
        pair.assert_all(True)


def status(front: Sidecar) -> int:
    """What a request to the only upstream is answered; 0 if it is not."""
    with suppress(OSError, http.client.HTTPException):
        return call(*front.upstreams.values()).status
    return 0
