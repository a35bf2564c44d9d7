import socket
import stat
from pathlib import Path

import pytest

from proxy.api import Intention, Policy
from proxy.chain_serving import ProxyState
from proxy.listener_at_work import ListenerAtWork, place_of
from proxy.tls import Contexts
from tests.proxy.fakes import Fakes, chain, listener, proxy


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


def at_work(fakes: Fakes, **fields: object) -> ListenerAtWork:
    config = proxy(listener(**fields))  # type: ignore[arg-type] # fields of a listener
    state = ProxyState(config)
    return ListenerAtWork(config.listeners[0], state, Contexts(config), fakes.parts, fakes.around)


def test_a_place_is_an_address_or_a_path() -> None:
    assert "127.0.0.1:80" == place_of(listener(port=80))
    assert "/run/web.sock" == place_of(listener(port=0, path="/run/web.sock"))


def test_the_newest_configuration_is_what_new_connections_meet(fakes: Fakes) -> None:
    held = at_work(fakes)
    held.open()
    newer = listener(chains=(chain(server_names=("a",)), chain()))

    held.change(newer, is_other=False)

    acceptor = fakes.acceptors[0]
    assert newer == acceptor.listener()
    assert list(newer.chains) == [serving.chain for serving in acceptor.chains()]


def test_the_socket_of_a_stopped_listener_is_the_callers(fakes: Fakes) -> None:
    held = at_work(fakes)
    held.open()

    sock = held.stop()

    assert sock is fakes.sockets[0]  # type: ignore[comparison-overlap] # a fake
    assert not fakes.sockets[0].is_closed
    assert held.socket is None
    assert held.stop() is None


def test_connections_of_all_chains_are_counted_and_cut(fakes: Fakes) -> None:
    held = at_work(fakes, chains=(chain(server_names=("a",)), chain()))
    held.open()
    carriers = [fakes.acceptors[0].connect(number) for number in (0, 1)]
    held.change(listener(), is_other=False)

    assert 2 == held.open_count
    assert 2 == held.cut()
    fakes.clock.advance(0.1)
    assert all(carrier.is_aborted for carrier in carriers)


def test_what_drains_is_held_to_the_policy_of_what_took_its_place(fakes: Fakes) -> None:
    allowed = Policy(destination="web", intentions=(Intention(source="a", precedence=9),))
    denied, later = Policy(destination="web"), Policy(destination="web", default_reason="later")
    held = at_work(fakes, chains=(chain(policy=allowed),))
    held.open()
    fakes.acceptors[0].connect()

    held.change(listener(chains=(chain(policy=denied, protocol="http"),)), is_other=False)
    (draining,) = held.draining
    assert ("tcp", denied) == (draining.chain.protocol, draining.chain.policy)

    held.change(listener(chains=(chain(policy=later, protocol="http"),)), is_other=False)
    assert later == draining.chain.policy
    fakes.clock.advance(0.1)
    assert [1] == [handler.changes for handler in fakes.handlers]


def test_the_file_of_a_socket_may_be_gone_when_its_mode_changes(
    fakes: Fakes, tmp_path: Path
) -> None:
    held = at_work(fakes, path=str(tmp_path / "gone"), mode=0o600)

    newer = listener(path=str(tmp_path / "gone"), mode=0o660)
    held.change(newer, is_other=False)

    assert newer == held.config


def test_the_mode_of_a_sockets_file_can_change(fakes: Fakes, tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
        held = at_work(fakes, path=str(path), mode=0o600)

        held.change(listener(path=str(path), mode=0o660), is_other=False)

    assert 0o660 == stat.S_IMODE(path.stat().st_mode)
