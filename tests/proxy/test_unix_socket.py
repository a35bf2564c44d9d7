import os
import stat
from pathlib import Path

import pytest

from proxy.unix_socket import connect_unix, is_allowed, listen_unix, peer_of


def test_a_socket_deeper_than_the_kernel_takes_is_reached(tmp_path: Path) -> None:
    path = tmp_path / ("deep" * 40) / "feed.sock"

    with listen_unix(path) as listening, connect_unix(path) as client:
        server, _ = listening.accept()
        with server:
            client.sendall(b"hello")
            assert b"hello" == server.recv(5)
            assert (os.getpid(), os.geteuid()) == peer_of(server)


def test_only_its_owner_can_reach_it(tmp_path: Path) -> None:
    path = tmp_path / "mesh" / "feed.sock"

    with listen_unix(path):
        assert 0o600 == stat.S_IMODE(path.stat().st_mode)
        assert 0o700 == stat.S_IMODE(path.parent.stat().st_mode)


def test_what_an_earlier_process_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "feed.sock"
    listen_unix(path).close()

    with listen_unix(path), connect_unix(path):
        pass


def test_a_path_where_nobody_listens_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        connect_unix(tmp_path / "feed.sock")


def test_ourselves_and_root_are_allowed_and_nobody_else() -> None:
    assert is_allowed(os.geteuid())
    assert is_allowed(0)
    assert not is_allowed(os.geteuid() + 1)
