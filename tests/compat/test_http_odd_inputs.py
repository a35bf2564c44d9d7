"""The same odd bytes to a proxy of ours and to a stock Envoy, in front of the same instance.

Each case says what must come of them; where Envoy does something else, the case says what, and
which rule ours keeps.
"""

import socket
import struct
from collections.abc import Iterator

import pytest

from tests.compat import odd_http1_client, odd_http2_client
from tests.compat.odd_http1_client import WAIT_S
from tests.compat.odd_http2_frames import FRAMING
from tests.compat.odd_http2_inputs import MESSAGES
from tests.compat.odd_http2_requests import with_
from tests.compat.odd_http_answers import ANSWERS
from tests.compat.odd_http_backend import NOTHING, Backend, Script, running_backend
from tests.compat.odd_http_framing import BODIES
from tests.compat.odd_http_inputs import HEADS
from tests.compat.odd_http_proxies import both
from tests.compat.odd_http_requests import get

pytestmark = [pytest.mark.compat, pytest.mark.timeout(60)]

SIDES = ("ours", "envoy")
HTTP1 = [*HEADS, *BODIES, *ANSWERS]
HTTP2 = [*MESSAGES, *FRAMING]
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    with running_backend() as running:
        yield running


@pytest.fixture(scope="module")
def ports(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    with both(backend.port, tmp_path_factory.mktemp("odd")) as running:
        yield running


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("case", HTTP1, ids=lambda case: case.name)
def test_http1_input_has_the_outcome_that_is_told(
    case: odd_http1_client.Case, side: str, ports: dict[str, int], backend: Backend
):
    expected = case.expected(side)

    told = odd_http1_client.converse(case, expected.heard, ports[side], backend)

    assert expected.allows(told.outcome), (expected, told)
    if side == "envoy" and case.why:
        return
    text, raw = told.text + told.text.lower(), bytes(backend.raw)
    assert [] == [part for part in case.has if part not in text]
    assert [] == [part for part in case.lacks if part in text]
    assert [] == [part for part in case.gets if part not in raw]
    assert [] == [part for part in case.gets_no if part in raw]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("case", HTTP2, ids=lambda case: case.name)
def test_http2_input_has_the_outcome_that_is_told(
    case: odd_http2_client.Case, side: str, ports: dict[str, int], backend: Backend
):
    expected = case.expected(side)

    told = odd_http2_client.converse(case, expected.heard, ports[side], backend)

    assert expected.allows(told.outcome), (expected, told)
    if expected.heard == case.heard:
        assert [] == [field for field in case.has if field not in told.fields]
        assert case.content in {None, told.content}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("resets", [True, False], ids=["reset", "close"])
@pytest.mark.parametrize("asks", [get(), odd_http2_client.HELLO + with_()], ids=["1", "2"])
def test_a_client_that_goes_takes_its_request_along(
    asks: bytes, side: str, ports: dict[str, int], backend: Backend, *, resets: bool
):
    backend.begin(Script(on_whole=NOTHING))
    with socket.create_connection(("127.0.0.1", ports[side]), WAIT_S) as sock:
        sock.sendall(asks)
        assert backend.asked.wait(WAIT_S)
        if resets:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    assert backend.left.wait(WAIT_S)


def test_each_difference_from_envoy_has_its_reason():
    cases = [*HTTP1, *HTTP2]

    assert [] == [case.name for case in cases if case.envoy is not None and not case.why]
    assert len(cases) == len({(type(case), case.name) for case in cases})
