import asyncio
import socket
from pathlib import Path

import pytest

from proxy import hand_over
from proxy.hand_over import HandOverError, ListenerKey, give, take
from proxy.unix_socket import listen_unix


def listening(count: int) -> dict[ListenerKey, socket.socket]:
    return {key(n): socket.create_server(("127.0.0.1", 0)) for n in range(count)}


def key(number: int) -> ListenerKey:
    return f"proxy/{number}", "public", "127.0.0.1:0"


def close(sockets: dict[ListenerKey, socket.socket]) -> None:
    for held in sockets.values():
        held.close()


@pytest.mark.parametrize("count", [0, 1, 64, 65, 200])
async def test_every_socket_arrives_by_its_name(tmp_path: Path, count: int) -> None:
    ours = listening(count)

    _, theirs = await asyncio.gather(give(tmp_path / "g", ours), take(tmp_path / "g"))

    assert {name: s.getsockname() for name, s in ours.items()} == {
        name: s.getsockname() for name, s in theirs.items()
    }
    assert not any(s.get_inheritable() for s in theirs.values())
    close(ours)
    close(theirs)


async def test_a_connection_that_waits_in_the_old_socket_is_accepted_from_the_new(
    tmp_path: Path,
) -> None:
    ours = listening(1)
    client = socket.create_connection(ours[key(0)].getsockname())

    _, theirs = await asyncio.gather(give(tmp_path / "g", ours), take(tmp_path / "g"))
    close(ours)
    accepted, _ = theirs[key(0)].accept()
    client.sendall(b"hello")

    assert b"hello" == accepted.recv(5)
    accepted.close()
    client.close()
    close(theirs)


async def test_a_socket_that_was_closed_meanwhile_is_left_out(tmp_path: Path) -> None:
    ours = listening(70)
    for n in range(64):
        ours[key(n)].close()

    _, theirs = await asyncio.gather(give(tmp_path / "g", ours), take(tmp_path / "g"))

    assert {f"proxy/{n}" for n in range(64, 70)} == {name[0] for name in theirs}
    close(ours)
    close(theirs)


async def test_nobody_who_comes_is_an_error_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hand_over, "WAIT_S", 0.05)

    with pytest.raises(HandOverError, match="came in time"):
        await give(tmp_path / "g", {})
    with pytest.raises(HandOverError, match="in time"):
        await take(tmp_path / "g")

    assert not (tmp_path / "g").exists()


async def test_an_older_worker_that_goes_away_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "g"
    with listen_unix(path, socket.SOCK_SEQPACKET) as older:
        older.setblocking(True)
        taking = asyncio.get_running_loop().create_task(take(path))
        connected, _ = await asyncio.to_thread(older.accept)
        connected.close()

        with pytest.raises(HandOverError, match="went away"):
            await taking
