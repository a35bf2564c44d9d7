"""Tests of proxy/listening.py."""

import socket
import stat
from pathlib import Path

import pytest

from proxy.api import Listener
from proxy.listening import KEEPALIVE_IDLE_S, bind, place_of_peer, set_up


def listener(**fields: object) -> Listener:
    return Listener(**{"name": "public", "direction": "inbound", **fields})  # type: ignore[arg-type] # as a test names them


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "", "::"])
def test_address_is_listened_at(address: str) -> None:
    with bind(listener(address=address)) as sock:
        host = {"": "127.0.0.1", "::": "::1"}.get(address, address)
        socket.create_connection((host, sock.getsockname()[1])).close()

        assert not sock.getblocking()


def test_address_of_another_listener_is_not_shared() -> None:
    with (
        bind(listener(address="127.0.0.1")) as first,
        pytest.raises(OSError, match="in use"),
    ):
        bind(listener(address="127.0.0.1", port=first.getsockname()[1]))


def test_unix_socket_has_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"

    with bind(listener(path=str(path), mode=0o660)):
        assert 0o660 == stat.S_IMODE(path.stat().st_mode)


def test_stale_unix_socket_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    bind(listener(path=str(path))).close()
    assert path.exists()

    with bind(listener(path=str(path))), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_unix_socket_in_use_is_left_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "web.sock")

    with bind(listener(path=path)), socket.socket(socket.AF_UNIX) as client:
        with pytest.raises(OSError, match="in use"):
            bind(listener(path=path))
        client.connect(path)


def test_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    path.write_text("precious")

    with pytest.raises(OSError, match="in use"):
        bind(listener(path=str(path)))

    assert "precious" == path.read_text()


def test_socket_notices_a_peer_that_vanished() -> None:
    with socket.socket() as sock:
        set_up(sock)

        assert not sock.getblocking()
        assert 1 == sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert 1 == sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert KEEPALIVE_IDLE_S == sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (("1.2.3.4", 5), "1.2.3.4:5"),
        (("::1", 5, 0, 0), "[::1]:5"),
        ("/run/web.sock", "/run/web.sock"),
        ("", "unix"),
        (b"", "unix"),
    ],
)
def test_place_is_written_as_people_do(address: object, expected: str) -> None:
    assert expected == place_of_peer(address)
