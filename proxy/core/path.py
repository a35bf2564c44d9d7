"""The path of a request, brought to one form before anything is decided on it.

`normalized_target` gives what to match and to send on, so that both sides see the same path.
What may stay in it by configuration (``//``, an escaped slash) applications read in their own ways:
`readings` lists those, and `proxy.core.authorize` asks for all of them. ``;parameters`` of a
segment, which servlet containers drop, count as such.

Source: RFC 3986 5.2.4 and 6.2.2; Consul, mesh.HTTP.Incoming.RequestNormalization; Envoy's
normalize_path, merge_slashes and PathWithEscapedSlashesAction.
Failure: what no server agrees on (NUL, "#", control bytes, no leading slash) is refused with 400.
"""

import re
from typing import Final

import msgspec

from proxy.api import HttpOptions

REJECT: Final = "REJECT_REQUEST"
UNESCAPE_AND_REDIRECT: Final = "UNESCAPE_AND_REDIRECT"
UNESCAPE_AND_FORWARD: Final = "UNESCAPE_AND_FORWARD"
ASTERISK: Final = b"*"

_FORBIDDEN: Final = re.compile(rb"[\x00-\x20#\x7f]")
_UNUSUAL: Final = re.compile(rb"[\x00-\x20#\x7f%\\]|/\.|//")
"""What a target is looked at closely for."""
_QUESTIONABLE: Final = re.compile(rb"[%\\]|/\.|//")
"""What a path in normal form has none of; most paths are told by this alone."""
_AMBIGUOUS: Final = re.compile(rb"[%\\;]|/\.|//")
_ESCAPED_SLASH: Final = re.compile(rb"%(?:2[fF]|5[cC])")
_ESCAPE: Final = re.compile(rb"%([0-9a-fA-F]{2})")
_LONE_PERCENT: Final = re.compile(rb"%(?![0-9a-fA-F]{2})")
_SLASHES: Final = re.compile(rb"//+")
_PARAMETERS: Final = re.compile(rb";[^/]*")
_UNRESERVED: Final = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
)


class Refusal(msgspec.Struct, frozen=True):
    """The answer to a request that is not served; ``location`` is for a redirect."""

    status: int
    detail: str
    location: bytes = b""


def normalized_target(target: bytes, options: HttpOptions) -> bytes | Refusal:
    """The target to match and to send on, or the refusal of the request. Idempotent."""
    if target == ASTERISK or (target[:1] == b"/" and not _UNUSUAL.search(target)):
        return target
    path, mark, query = target.partition(b"?")
    if not path.startswith(b"/") or _FORBIDDEN.search(target) or b"%00" in path:
        return Refusal(400, "the request target is malformed")
    if not _QUESTIONABLE.search(path):
        return target
    action = options.escaped_slashes
    redirects = False
    if action in {REJECT, UNESCAPE_AND_REDIRECT, UNESCAPE_AND_FORWARD}:
        unescaped = _ESCAPED_SLASH.sub(_unescaped, path)
        if unescaped != path:
            if action == REJECT:
                return Refusal(400, "the path has an escaped slash")
            redirects = action == UNESCAPE_AND_REDIRECT
            path = unescaped
    if options.normalize_path:
        path = _without_dots(_decoded(path).replace(b"\\", b"/"))
    if options.merge_slashes:
        path = _SLASHES.sub(b"/", path)
    result = path + mark + query
    if not redirects:
        return result
    # To a browser "//name" is another host, and a backslash is a slash.
    location = b"/." + result if result.startswith((b"//", b"/\\")) else result
    return Refusal(307, "the path has an escaped slash", location)


def readings(path: bytes) -> tuple[bytes, ...]:
    """The path itself, then what an application may take it for, if that differs."""
    if not _AMBIGUOUS.search(path):
        return (path,)
    read = canonical(path)
    return (path,) if read == path else (path, read)


def canonical(path: bytes) -> bytes:
    """The path with all escapes decoded, no parameters, no empty and no dot segments.

    Never sent on: a rule's path is brought to the same form, and the two are compared.
    """
    decoded = _ESCAPE.sub(_unescaped, path).replace(b"\\", b"/")
    return _without_dots(_SLASHES.sub(b"/", _PARAMETERS.sub(b"", decoded)))


def _unescaped(found: re.Match[bytes]) -> bytes:
    return bytes((int(found[0][1:], 16),))


def _decoded(path: bytes) -> bytes:
    """Without needless escapes; a lone "%" must not become the beginning of a new one."""
    decoded = _ESCAPE.sub(_unreserved, path)
    kept = sum(int(digits, 16) not in _UNRESERVED for digits in _ESCAPE.findall(path))
    if len(_ESCAPE.findall(decoded)) > kept:
        return _ESCAPE.sub(_unreserved, _LONE_PERCENT.sub(b"%25", path))
    return decoded


def _unreserved(found: re.Match[bytes]) -> bytes:
    """RFC 3986 6.2.2: decode what needs no escape, leave the others as they came."""
    code = int(found[1], 16)
    return bytes((code,)) if code in _UNRESERVED else found[0]


def _without_dots(path: bytes) -> bytes:
    """RFC 3986 5.2.4; ".." above the root stays at the root. As Envoy: "..;x" is one too."""
    kept: list[bytes] = []
    last = b""
    for segment in path.split(b"/")[1:]:
        last = segment.partition(b";")[0]
        if last == b"..":
            if kept:
                kept.pop()
        elif last != b".":
            kept.append(segment)
    if last in {b".", b".."}:
        kept.append(b"")
    return b"/" + b"/".join(kept)
