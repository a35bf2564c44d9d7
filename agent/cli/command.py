"""What a command is (a row of the table), and one call of it (what its function receives)."""

from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Final

import msgspec

from agent.cli.failure import Failure
from agent.cli.flags import Flag, Kind, Parsed

if TYPE_CHECKING:
    # http.client and ssl are loaded only by commands that speak to an agent: start-up time.
    from agent.cli.client import Client

HTTP_FLAGS: Final = (
    Flag(
        "http-addr",
        "Address of the agent: host:port, http(s)://host:port or unix:///path. "
        "Also CONSUL_HTTP_ADDR; 127.0.0.1:8500 when neither is set.",
    ),
    Flag("token", "ACL token to use in the request. Also CONSUL_HTTP_TOKEN."),
    Flag("token-file", "File that holds the ACL token. Also CONSUL_HTTP_TOKEN_FILE."),
    Flag("ca-file", "CA certificate file to verify the agent with. Also CONSUL_CACERT."),
    Flag("ca-path", "Directory of CA certificate files. Also CONSUL_CAPATH."),
    Flag("client-cert", "Client certificate file for TLS. Also CONSUL_CLIENT_CERT."),
    Flag("client-key", "Client key file for TLS. Also CONSUL_CLIENT_KEY."),
    Flag("tls-server-name", "Name to expect in the certificate. Also CONSUL_TLS_SERVER_NAME."),
)
SERVER_FLAGS: Final = (
    Flag("datacenter", "Datacenter to ask; the agent's own when empty."),
    Flag("stale", "Let any server answer, even without a leader.", Kind.SWITCH),
)


class Command(msgspec.Struct, frozen=True):
    """One command: the words that name it, where it stands in the help, what it does.

    ``run`` is ``module:function`` below ``agent.cli.commands``, loaded only when called.
    ``flags`` are its own flags; those of the connection come from ``http`` and ``server``.
    """

    words: str
    group: str
    summary: str
    run: str
    usage: str = ""
    flags: tuple[Flag, ...] = ()
    http: bool = True
    server: bool = False
    notes: str = ""
    parses_itself: bool = False

    def all_flags(self) -> tuple[Flag, ...]:
        """Every flag that the command accepts, its own first."""
        connection = HTTP_FLAGS if self.http else ()
        return self.flags + connection + (SERVER_FLAGS if self.server else ())


class Call:
    """One run of a command: its flags by name, its arguments, and the client for them."""

    def __init__(self, command: Command, parsed: Parsed) -> None:
        self.command = command
        self.arguments = parsed.arguments
        self._parsed = parsed

    def text(self, name: str) -> str:
        """Value of a TEXT flag."""
        value = self._parsed.values[name]
        assert isinstance(value, str)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Values of a TEXTS flag, in the order given."""
        value = self._parsed.values[name]
        assert isinstance(value, tuple)
        return value

    def switch(self, name: str) -> bool:
        """Value of a SWITCH flag."""
        value = self._parsed.values[name]
        assert isinstance(value, bool)
        return value

    def number(self, name: str) -> int:
        """Value of a COUNT flag, or nanoseconds of a DURATION flag."""
        value = self._parsed.values[name]
        assert isinstance(value, int)
        return value

    def given(self, name: str) -> bool:
        """Whether the user wrote the flag."""
        return name in self._parsed.given

    @cached_property
    def client(self) -> "Client":
        """The agent to speak to, from the connection flags and the environment."""
        from agent.cli.client import Client
        from agent.cli.settings import settings_from

        declared = {flag.name for flag in HTTP_FLAGS + SERVER_FLAGS} & set(self._parsed.values)
        return Client(settings_from({name: self._parsed.values[name] for name in declared}))

    def expect_arguments(self, least: int, most: int | None, missing: str) -> None:
        """Raise Failure unless ``least`` to ``most`` arguments were given.

        ``missing`` is the text for too few.
        """
        count = len(self.arguments)
        if count < least:
            raise Failure(missing)
        if most is not None and count > most:
            message = f"Error! Too many arguments (expected {most}, got {count})"
            raise Failure(message)

    def key_values(self, name: str) -> dict[str, str]:
        """Pairs of a TEXTS flag written as ``key=value``. Raises Failure naming the flag."""
        pairs: dict[str, str] = {}
        for pair in self.texts(name):
            key, equals, value = pair.partition("=")
            if not equals or not key:
                message = f'invalid value "{pair}" for flag -{name}: must be key=value'
                raise Failure(message)
            pairs[key] = value
        return pairs


def load(run: str) -> Callable[[Call], int]:
    """Return the function that a row's ``run`` names; it returns the exit code."""
    module_name, _, function_name = run.partition(":")
    module = import_module(f"agent.cli.commands.{module_name}")
    function: Callable[[Call], int] = getattr(module, function_name)
    return function
