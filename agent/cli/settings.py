"""Where the agent is and how to speak to it: flags first, then the environment, then defaults.

Source: Consul's documentation of CLI environment variables
(https://developer.hashicorp.com/consul/commands#environment-variables).
"""

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from agent.cli.failure import Failure

if TYPE_CHECKING:
    import ssl

    from agent.cli.flags import Value

HTTP_PORT: Final = 8500
HTTPS_PORT: Final = 443
_TRUE: Final = frozenset({"1", "t", "true"})
_FALSE: Final = frozenset({"0", "f", "false"})
_ENVIRONMENT: Final = {
    "http-addr": "CONSUL_HTTP_ADDR",
    "token": "CONSUL_HTTP_TOKEN",
    "token-file": "CONSUL_HTTP_TOKEN_FILE",
    "ca-file": "CONSUL_CACERT",
    "ca-path": "CONSUL_CAPATH",
    "client-cert": "CONSUL_CLIENT_CERT",
    "client-key": "CONSUL_CLIENT_KEY",
    "tls-server-name": "CONSUL_TLS_SERVER_NAME",
}


class Tls(msgspec.Struct, frozen=True):
    """File names of the TLS material; empty means the system's or none."""

    ca_file: str = ""
    ca_path: str = ""
    client_cert: str = ""
    client_key: str = ""
    server_name: str = ""
    verify: bool = True

    def context(self) -> "ssl.SSLContext":
        """Make the TLS context. Raises Failure naming the file that cannot be used."""
        import ssl

        context = ssl.create_default_context()
        try:
            if self.ca_file or self.ca_path:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                for file in self._authorities():
                    context.load_verify_locations(cafile=file)
            if self.client_cert:
                context.load_cert_chain(self.client_cert, self.client_key or None)
        except (OSError, ssl.SSLError) as error:
            named = self.ca_file or self.ca_path or self.client_cert
            message = f"Error loading TLS files ({named}): {error}"
            raise Failure(message) from error
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _authorities(self) -> list[str]:
        if self.ca_file:
            return [self.ca_file]
        return [str(file) for file in sorted(Path(self.ca_path).iterdir()) if file.is_file()]


class Settings(msgspec.Struct, frozen=True):
    """One agent's address and how to be known to it.

    ``socket_path`` is used instead of host and port when not empty. ``authorization`` is the
    value of that header or "". ``datacenter`` and ``stale`` go into the query of server commands.
    """

    scheme: str
    host: str
    port: int
    socket_path: str
    token: str
    authorization: str
    tls: Tls
    datacenter: str = ""
    stale: bool = False

    @property
    def shown_host(self) -> str:
        """Host and port as an URL shows them."""
        if self.socket_path:
            return "unix.sock"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def settings_from(
    flags: "Mapping[str, Value]", environment: Mapping[str, str] | None = None
) -> Settings:
    """Combine connection flags (by name) with the environment. Raises Failure."""
    variables = os.environ if environment is None else environment

    def chosen(name: str) -> str:
        return str(flags.get(name, "")) or variables.get(_ENVIRONMENT[name], "")

    scheme, host, port, socket_path = _address(chosen("http-addr"), https=_https(variables))
    tls = Tls(
        ca_file=chosen("ca-file"),
        ca_path=chosen("ca-path"),
        client_cert=chosen("client-cert"),
        client_key=chosen("client-key"),
        server_name=chosen("tls-server-name"),
        verify=_switch(variables, "CONSUL_HTTP_SSL_VERIFY", default=True),
    )
    return Settings(
        scheme=scheme,
        host=host,
        port=port,
        socket_path=socket_path,
        token=_token(flags, variables),
        authorization=_authorization(variables.get("CONSUL_HTTP_AUTH", "")),
        tls=tls,
        datacenter=str(flags.get("datacenter", "")),
        stale=flags.get("stale") is True,
    )


def _https(variables: Mapping[str, str]) -> bool:
    return _switch(variables, "CONSUL_HTTP_SSL", default=False)


def _switch(variables: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = variables.get(name, "").lower()
    if not text:
        return default
    if text not in _TRUE | _FALSE:
        message = f"{name} must be true or false, not {text!r}"
        raise Failure(message)
    return text in _TRUE


def _token(flags: "Mapping[str, Value]", variables: Mapping[str, str]) -> str:
    # A flag of either kind beats both variables; within one kind the token itself is used.
    for token, file in (
        (str(flags.get("token", "")), str(flags.get("token-file", ""))),
        (variables.get("CONSUL_HTTP_TOKEN", ""), variables.get("CONSUL_HTTP_TOKEN_FILE", "")),
    ):
        if token:
            return token
        if file:
            try:
                return Path(file).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                message = f"Error loading token file {file}: {error}"
                raise Failure(message) from error
    return ""


def _authorization(user_and_password: str) -> str:
    if not user_and_password:
        return ""
    user, _, password = user_and_password.partition(":")
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _address(text: str, *, https: bool) -> tuple[str, str, int, str]:
    """Scheme, host, port and socket path of ``text`` as ``-http-addr`` accepts it."""
    written = text or f"127.0.0.1:{HTTP_PORT}"
    if written.startswith("unix://"):
        return "http", "unix.sock", 80, written.removeprefix("unix://")
    scheme, separator, rest = written.partition("://")
    if not separator:
        scheme, rest = ("https" if https else "http"), written
    if scheme not in {"http", "https"}:
        message = f'Unknown protocol scheme "{scheme}" in {written}: must be http, https or unix'
        raise Failure(message)
    if scheme == "http" and https:
        scheme = "https"
    host, port = _host_and_port(rest.rstrip("/"), HTTPS_PORT if scheme == "https" else 80)
    return scheme, host, port, ""


def _host_and_port(text: str, port_default: int) -> tuple[str, int]:
    if text.startswith("["):
        host, _, after = text[1:].partition("]")
        port_text = after.removeprefix(":")
    else:
        host, _, port_text = text.partition(":")
    if not port_text:
        return host, port_default
    if not port_text.isdigit() or not 0 < int(port_text) < 2**16:
        message = f'Invalid port "{port_text}" in address {text}: must be from 1 to 65535'
        raise Failure(message)
    return host or "127.0.0.1", int(port_text)
