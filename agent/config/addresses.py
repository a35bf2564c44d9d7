"""Addresses of a configuration worked out: templates, lists, fallbacks, listeners.

Source: surface §5.1 and §5.2 (addresses).
"""

import ipaddress
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from typing_extensions import override

from agent.config.sockaddr import Interface, TemplateError, expand, is_private
from agent.config.tree import Block, ConfigError

UNIX_PREFIX: Final = "unix://"
ANY_ADDRESSES: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - recognised, not bound


class Listen(NamedTuple):
    """A place to listen at; ``host`` is a path and ``port`` 0 for the network ``unix``."""

    network: str
    host: str
    port: int

    @override
    def __str__(self) -> str:
        if self.network == "unix":
            return f"{UNIX_PREFIX}{self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.network}://{host}:{self.port}"


class AddressBook:
    """Reads the address keys of the filled values; the tree knows where they were written."""

    def __init__(
        self, values: dict[str, Any], tree: Block, interfaces: Sequence[Interface]
    ) -> None:
        self._values = values
        self._tree = tree
        self._interfaces = interfaces

    def fail(self, path: str, message: str) -> ConfigError:
        """The error for a key, with the place where it was written."""
        return ConfigError(message, path=path, origin=self._tree.origin_of(path))

    def many(self, path: str, *, unix: bool = False) -> tuple[str, ...]:
        """The addresses of a key, templates expanded; empty when the key is."""
        here: Any = self._values
        for key in path.split("."):
            here = here.get(key, "")
        try:
            words = expand(here, self._interfaces).split()
        except TemplateError as error:
            raise self.fail(path, str(error)) from error
        if here.strip() and not words:
            message = f"the template {here!r} found no address"
            raise self.fail(path, message)
        return tuple(self._address(path, word, unix=unix) for word in words)

    def one(self, path: str) -> str:
        """The one address of a key, or an empty text."""
        found = self.many(path)
        if len(found) > 1:
            message = f"must be one address, not {' '.join(found)}"
            raise self.fail(path, message)
        return found[0] if found else ""

    def first_private_ipv4(self) -> str:
        """The first private IPv4 address of this host, or an empty text."""
        for item in self._interfaces:
            if ":" not in item.address and is_private(item.address):
                return item.address
        return ""

    def _address(self, path: str, word: str, *, unix: bool) -> str:
        if word.startswith(UNIX_PREFIX):
            if unix and len(word) > len(UNIX_PREFIX):
                return word
            raise self.fail(path, "cannot be a Unix socket")
        try:
            return str(ipaddress.ip_address(word.strip("[]")))
        except ValueError as error:
            what = "an IP address or unix:///path" if unix else "an IP address"
            message = f'must be {what}, not "{word}"'
            raise self.fail(path, message) from error


def listeners(network: str, hosts: Sequence[str], port: int) -> tuple[Listen, ...]:
    """Where a door listens: one place for each address; nothing when the port is off.

    Unix sockets need no port, but are off with it too.
    """
    if port <= 0:
        return ()
    return tuple(
        Listen("unix", host.removeprefix(UNIX_PREFIX), 0)
        if host.startswith(UNIX_PREFIX)
        else Listen(network, host, port)
        for host in hosts
    )


def overlap(one: Listen, other: Listen) -> bool:
    """Whether two places cannot both be listened at."""
    if one.network != other.network or one.port != other.port:
        return False
    if one.host == other.host:
        return True
    same_family = (":" in one.host) == (":" in other.host)
    return one.network != "unix" and same_family and bool(ANY_ADDRESSES & {one.host, other.host})
