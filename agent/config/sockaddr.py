"""Addresses written as templates: ``{{ GetPrivateIP }}``, ``{{ GetInterfaceIP "eth0" }}``.

The sources, filters and sinks that agents' files use are known; anything else is an error that
lists them. Interfaces are an argument: this file asks the system nothing.
Source: go-sockaddr's template package.
"""

import ipaddress
import re
import shlex
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from catalog.patterns import PatternError, compile_pattern

_TEMPLATE: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


class Interface(NamedTuple):
    """One address of one network interface, in the system's order."""

    name: str
    address: str


Addresses = list[Interface]


class TemplateError(ValueError):
    """The template cannot be used; the text says why."""


def expand(text: str, interfaces: Sequence[Interface]) -> str:
    """The text with every ``{{ ... }}`` replaced; raises TemplateError."""
    return _TEMPLATE.sub(lambda found: _evaluate(found[1], list(interfaces)), text)


def is_private(address: str) -> bool:
    """Whether an address is private as RFC 1918 and RFC 4193 say."""
    ip = ipaddress.ip_address(address)
    return any(ip in network for network in _PRIVATE if network.version == ip.version)


_PRIVATE: Final = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    return ip.is_global and not is_private(address)


def _is_forwardable(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    return not (ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_unspecified)


def _version(number: int) -> Callable[[str], bool]:
    return lambda address: ipaddress.ip_address(address).version == number


def _private_first(interfaces: Addresses) -> Addresses:
    return [item for item in interfaces if is_private(item.address)]


_SOURCES: Final[dict[str, Callable[[Addresses], Addresses]]] = {
    "GetAllInterfaces": lambda found: found,
    "GetPrivateInterfaces": _private_first,
    "GetPublicInterfaces": lambda found: [item for item in found if _is_public(item.address)],
}
_FAMILIES: Final[dict[str, Callable[[str], bool]]] = {
    "ipv4": _version(4),
    "ipv6": _version(6),
    "ip": lambda _: True,
}
_FLAGS: Final[dict[str, Callable[[str], bool]]] = {
    "loopback": lambda address: ipaddress.ip_address(address).is_loopback,
    "forwardable": _is_forwardable,
    "up": lambda _: True,
}


def _evaluate(expression: str, interfaces: Addresses) -> str:
    value: Addresses | str | None = None
    for step in expression.split("|"):
        try:
            words = shlex.split(step)
        except ValueError as error:
            message = f"{{{{{expression}}}}}: {error}"
            raise TemplateError(message) from error
        if not words:
            message = f"{{{{{expression}}}}}: an empty step"
            raise TemplateError(message)
        if value is None:
            value = _source(words, interfaces)
        elif isinstance(value, str):
            message = f"{words[0]} cannot follow a step that gave text"
            raise TemplateError(message)
        else:
            value = _step(words, value)
    if not isinstance(value, str):
        message = f'{{{{{expression}}}}}: end it with attr "address" or join "address" " "'
        raise TemplateError(message)
    return value


def _source(words: list[str], interfaces: Addresses) -> Addresses | str:
    match words:
        case ["GetPrivateIP" | "GetPublicIP" | "GetPrivateIPs" | "GetPublicIPs" as name]:
            wanted = is_private if "Private" in name else _is_public
            found = [item.address for item in interfaces if wanted(item.address)]
            # The single form answers IPv4, as the original does.
            first = [address for address in found if _version(4)(address)][:1]
            return " ".join(found if name.endswith("s") else first)
        case ["GetInterfaceIP" | "GetInterfaceIPs" as name, device]:
            found = [item.address for item in interfaces if item.name == device]
            usable = [address for address in found if _is_forwardable(address)] or found
            return " ".join(usable if name.endswith("s") else usable[:1])
        case [name] if name in _SOURCES:
            return _SOURCES[name](interfaces)
        case _:
            single = ["GetPrivateIP(s)", "GetPublicIP(s)", 'GetInterfaceIP(s) "<name>"']
            known = ", ".join([*_SOURCES, *single])
            message = f"unknown source {' '.join(words)!r}; known are {known}"
            raise TemplateError(message)


def _step(words: list[str], found: Addresses) -> Addresses | str:
    match words:
        case ["include", selector, text]:
            return [item for item in found if _selects(item, selector, text)]
        case ["exclude", selector, text]:
            return [item for item in found if not _selects(item, selector, text)]
        case ["limit", count] if count.isdecimal() and len(count) < 9:
            return found[: int(count)]
        case ["sort", "address" | "+address"]:
            return sorted(found, key=_order)
        case ["sort", "-address"]:
            return sorted(found, key=_order, reverse=True)
        case ["sort", "name" | "+name"]:
            return sorted(found, key=lambda item: item.name)
        case ["attr", "address"]:
            return found[0].address if found else ""
        case ["attr", "name"]:
            return found[0].name if found else ""
        case ["join", "address", between]:
            return between.join(item.address for item in found)
        case _:
            known = "include, exclude, limit, sort, attr, join"
            message = f"unknown step {' '.join(words)!r}; known are {known}"
            raise TemplateError(message)


def _selects(item: Interface, selector: str, text: str) -> bool:
    match selector:
        case "name":
            return _matches(text, item.name)
        case "address":
            return _matches(text, item.address)
        case "network":
            try:
                return ipaddress.ip_address(item.address) in ipaddress.ip_network(text)
            except ValueError as error:
                raise TemplateError(str(error)) from error
        case "type" if text.lower() in _FAMILIES:
            return _FAMILIES[text.lower()](item.address)
        case "flag" | "flags" if all(flag in _FLAGS for flag in text.split("|")):
            return all(_FLAGS[flag](item.address) for flag in text.split("|"))
        case "rfc" if text == "1918":
            return is_private(item.address) and _version(4)(item.address)
    message = f"unknown selector {selector} {text!r}; known are name, address, network, type, flags"
    raise TemplateError(message)


def _matches(pattern: str, text: str) -> bool:
    try:
        return compile_pattern(pattern).search(text) is not None
    except PatternError as error:
        message = f"{pattern!r} is no regular expression"
        raise TemplateError(message) from error


def _order(item: Interface) -> tuple[int, int]:
    ip = ipaddress.ip_address(item.address)
    return ip.version, int(ip)
