"""What the measured agents hold: keys, services, and the answers that the bare responders copy."""

import base64
import http.client
import json
from typing import Any

from tests.system.agent_process import LOOPBACK, AgentProcess

# A transaction takes at most 64 operations.
OPERATIONS_MAX = 64


def register_instances(agent: AgentProcess, service: str, count: int) -> None:
    """Put a service on `count` nodes with an address and a passing check each."""
    send_all(agent, [registration(f"{service}-{n:05}", service, n) for n in range(count)])


def load_services(agent: AgentProcess, count: int) -> None:
    """Put `count` services on 100 nodes."""
    bodies = [registration(f"load-{n % 100:03}", f"load-{n:05}", n % 100) for n in range(count)]
    send_all(agent, bodies)


def registration(node: str, service: str, number: int) -> dict[str, Any]:
    """The body of one /v1/catalog/register with a service check."""
    return {
        "Node": node,
        "Address": f"10.20.{number // 250}.{number % 250 + 1}",
        "Service": {"ID": service, "Service": service, "Port": 8000, "Tags": ["bench"]},
        "Check": {"CheckID": f"check:{service}", "ServiceID": service, "Status": "passing"},
    }


def send_all(agent: AgentProcess, bodies: list[dict[str, Any]]) -> None:
    """Register everything over one connection."""
    connection = http.client.HTTPConnection(agent.http_address, timeout=30)
    try:
        for body in bodies:
            put(connection, "/v1/catalog/register", body)
    finally:
        connection.close()


def load_keys(agent: AgentProcess, count: int) -> None:
    """Set `count` keys of 100 bytes by transactions over one connection."""
    value = base64.b64encode(b"v" * 100).decode()
    connection = http.client.HTTPConnection(agent.http_address, timeout=30)
    try:
        for first in range(0, count, OPERATIONS_MAX):
            keys = range(first, min(first + OPERATIONS_MAX, count))
            operations = [
                {"KV": {"Verb": "set", "Key": f"load/{n % 1000:03}/{n:06}", "Value": value}}
                for n in keys
            ]
            put(connection, "/v1/txn", operations)
    finally:
        connection.close()


def put(connection: http.client.HTTPConnection, path: str, body: Any) -> None:
    """PUT JSON; AssertionError with the answer unless it is 200."""
    connection.request("PUT", path, body=json.dumps(body))
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status == 200, (path, answer.status, text)


def capture_http(port: int, request: bytes) -> bytes:
    """The bytes of the whole answer to a request, head and body."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=10)
    try:
        connection.connect()
        connection.sock.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.sock.recv(65536)
        head, _, body = answer.partition(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        while len(body) < length:
            body += connection.sock.recv(65536)
        return head + b"\r\n\r\n" + body
    finally:
        connection.close()
