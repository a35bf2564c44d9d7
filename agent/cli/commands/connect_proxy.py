"""``connect proxy`` and ``connect envoy``: run a proxy as a process of the user's own.

Both take the place of this program (exec), so signals and the exit status are the proxy's.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from agent.cli.command import Call
from agent.cli.failure import Failure, explaining
from agent.cli.output import say, tabbed_json
from agent.mesh.xds.bootstrap import Bootstrap, bootstrap_of

KIND: Final = "connect-proxy"
GATEWAYS: Final = ("mesh", "terminating", "ingress")
LOCALHOST: Final = "127.0.0.1"
GRPC_PORT: Final = 8502
READ_WAIT_S: Final = 10  # an Envoy reads its configuration first of all

Services = dict[str, dict[str, Any]]


def proxy(call: Call) -> int:
    """``connect proxy``: the worker of the data plane, for one proxy."""
    call.expect_arguments(0, 0, "")
    with explaining("Error asking the agent"):
        feed = call.client.get_json("/v1/internal/mesh/feed")["Path"]
    if not call.text("service"):
        return _run_worker(feed, _proxy_id(call))
    definition = _definition(call)
    with explaining("Error registering the proxy"):
        call.client.put_json("/v1/agent/service/register", definition)
    try:
        return _run_worker(feed, definition["ID"])
    finally:
        with explaining("Error deregistering the proxy"):
            path = f"/v1/agent/service/deregister/{quote(definition['ID'], safe='')}"
            call.client.put_json(path, None)


def _run_worker(feed: str, proxy_id: str) -> int:
    words = [sys.executable, "-m", "proxy", "--feed", feed, "--only", proxy_id]
    worker = subprocess.Popen(words)  # noqa: S603 - this program's own worker
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: worker.terminate())
    return worker.wait()


def envoy(call: Call) -> int:
    """``connect envoy``: a stock Envoy that is told by the agent."""
    proxy_id = _proxy_id(call)
    told = bootstrap_of(_bootstrap(call, proxy_id))
    if call.switch("bootstrap"):
        say(tabbed_json(told))
        return 0
    program = shutil.which(call.text("envoy-binary") or "envoy")
    if program is None:
        wanted = call.text("envoy-binary") or "envoy"
        raise Failure(f"{wanted}: not found; name it with -envoy-binary")
    path = _handed_over(json.dumps(told).encode())
    os.execv(program, [program, "--config-path", path, *call.arguments])  # noqa: S606 - no shell


def _handed_over(content: bytes) -> str:
    """The path of a pipe that gives ``content`` to the next process that opens it.

    A token may be in it: not for a command line that others can list, nor for a file that stays.
    """
    folder = Path(tempfile.mkdtemp(prefix="proconsul-envoy-"))
    pipe = folder / "bootstrap.json"
    os.mkfifo(pipe, 0o600)
    if os.fork() == 0:
        signal.signal(signal.SIGALRM, _nobody_reads)
        signal.alarm(READ_WAIT_S)
        try:
            pipe.write_bytes(content)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os._exit(0)
    return str(pipe)


def _nobody_reads(*_: object) -> None:
    raise TimeoutError


def _bootstrap(call: Call, proxy_id: str) -> Bootstrap:
    grpc = call.text("grpc-addr") or os.environ.get("CONSUL_GRPC_ADDR", "")
    address, port = _host_port(grpc, "grpc-addr", default=(LOCALHOST, GRPC_PORT))
    admin_address, admin_port = _host_port(call.text("admin-bind"), "admin-bind")
    with explaining("Error reading the proxy"):
        registered = call.client.get_json(f"/v1/agent/service/{quote(proxy_id, safe='')}")
    proxied = registered.get("Proxy") or {}
    return Bootstrap(
        proxy_id=proxy_id,
        service=proxied.get("DestinationServiceName") or registered["Service"],
        agent_address=address,
        agent_port=port,
        admin_address=admin_address,
        admin_port=admin_port,
        token=call.text("token") or os.environ.get("CONSUL_HTTP_TOKEN", ""),
    )


def _host_port(text: str, flag: str, default: tuple[str, int] | None = None) -> tuple[str, int]:
    """``host:port`` in two, with localhost as an address. Raises Failure naming the flag."""
    if not text and default is not None:
        return default
    host, colon, port = text.removeprefix("http://").rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise Failure(f'invalid value "{text}" for flag -{flag}: must be host:port')
    host = host.strip("[]")
    return (LOCALHOST if host in {"", "localhost"} else host), int(port)


def _proxy_id(call: Call) -> str:
    """The proxy that the flags name. Raises Failure unless it is exactly one."""
    if call.text("proxy-id"):
        return call.text("proxy-id")
    if call.command.words == "connect envoy" and call.text("gateway"):
        return _gateway_id(call)
    instance = call.text("sidecar-for")
    if not instance:
        raise Failure("No proxy ID specified. One of -proxy-id, -sidecar-for/-gateway is required")
    found = [
        proxy_id
        for proxy_id, service in _services(call).items()
        if service.get("Kind") == KIND
        and (service.get("Proxy") or {}).get("DestinationServiceID", "").lower() == instance.lower()
    ]
    if not found:
        raise Failure(f"No sidecar proxy registered for {instance}")
    if len(found) > 1:
        named = ", ".join(sorted(found))
        raise Failure(
            f"More than one sidecar proxy registered for {instance}. Start the proxy with "
            f"-proxy-id and one of the following IDs: {named}"
        )
    return found[0]


def _gateway_id(call: Call) -> str:
    kind = call.text("gateway")
    if kind not in GATEWAYS:
        raise Failure(f'-gateway must be one of {", ".join(GATEWAYS)}, not "{kind}"')
    found = [
        proxy_id
        for proxy_id, service in _services(call).items()
        if service.get("Kind") == f"{kind}-gateway"
    ]
    if len(found) != 1:
        raise Failure(f"{len(found)} {kind} gateways are registered here: name one by -proxy-id")
    return found[0]


def _services(call: Call) -> Services:
    with explaining("Error listing the agent's services"):
        found: Services = call.client.get_json("/v1/agent/services") or {}
    return found


def _definition(call: Call) -> dict[str, Any]:
    """The registration of a proxy that lives as long as the command."""
    service = call.text("service")
    proxied: dict[str, Any] = {"DestinationServiceName": service}
    proxied["Upstreams"] = [_upstream(text) for text in call.texts("upstream")]
    if call.text("service-addr"):
        host, port = _host_port(call.text("service-addr"), "service-addr")
        proxied |= {"LocalServiceAddress": host, "LocalServicePort": port}
    unique = call.text("register-id") or str(os.getpid())
    definition: dict[str, Any] = {
        "Kind": KIND,
        "Name": f"{service}-proxy",
        "ID": f"{service}-proxy-{unique}",
        "Proxy": proxied,
    }
    if call.text("listen"):
        host, port = _host_port(call.text("listen"), "listen")
        if "LocalServicePort" not in proxied:
            raise Failure("-listen needs -service-addr: where the local service listens")
    else:
        # A proxy has a public port, also one that is there for its upstreams alone.
        host, port = LOCALHOST, _free_port()
    return {**definition, "Address": host, "Port": port}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOCALHOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _upstream(text: str) -> dict[str, Any]:
    name, colon, place = text.partition(":")
    if not colon or not name:
        raise Failure(f'invalid value "{text}" for flag -upstream: must be name:port')
    host, port = _host_port(place if ":" in place else f":{place}", "upstream")
    return {"DestinationName": name, "LocalBindAddress": host, "LocalBindPort": port}
