"""Names of users and groups to numbers."""

import grp
import os
import pwd

import pytest

from agent.http.listeners import UnixSockets
from agent.http.unix_sockets import unix_sockets
from tests.agent.harness import make_config


def configured(**keys: str) -> UnixSockets:
    text = " ".join(f'{name} = "{value}"' for name, value in keys.items())
    return unix_sockets(make_config("-hcl", f"unix_sockets {{ {text} }}"))


def test_nothing_configured_leaves_sockets_as_they_are():
    assert configured() == UnixSockets(user=-1, group=-1, mode=0)


def test_names_and_numbers_and_an_octal_mode():
    user = pwd.getpwuid(os.getuid()).pw_name
    group = grp.getgrgid(os.getgid()).gr_name

    assert configured(user=user, group=group, mode="0660") == (os.getuid(), os.getgid(), 0o660)
    assert configured(user="12", group="34") == (12, 34, 0)


@pytest.mark.parametrize("key", ["user", "group"])
def test_an_unknown_name_is_refused_with_its_key(key):
    with pytest.raises(OSError, match=f"unix_sockets.{key}: nobody-here is not known"):
        configured(**{key: "nobody-here"})
