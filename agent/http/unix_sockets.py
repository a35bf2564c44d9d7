"""The owner and mode of Unix sockets, from the configuration."""

import grp
import pwd
from collections.abc import Callable

from agent.config import RuntimeConfig
from agent.http.listeners import UnixSockets


def unix_sockets(config: RuntimeConfig) -> UnixSockets:
    """Numbers of user, group and mode. Raises OSError for a name that is not known."""
    keys = config.unix_sockets
    return UnixSockets(
        user=_number(keys.user, lambda name: pwd.getpwnam(name).pw_uid, "unix_sockets.user"),
        group=_number(keys.group, lambda name: grp.getgrnam(name).gr_gid, "unix_sockets.group"),
        mode=int(keys.mode, 8) if keys.mode else 0,
    )


def _number(text: str, look_up: Callable[[str], int], key: str) -> int:
    if not text:
        return -1
    try:
        return int(text) if text.isdigit() else look_up(text)
    except KeyError:
        raise OSError(f"{key}: {text} is not known on this host") from None
