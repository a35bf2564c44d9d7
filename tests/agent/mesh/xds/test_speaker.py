import asyncio
from random import Random

from agent.mesh.xds.claims import Claims
from agent.mesh.xds.speaker import Speaker
from proxy.api import ProxyConfig

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"


class NoFeed:
    def put(self, config: ProxyConfig) -> None:
        pass

    def remove(self, proxy_id: str, /) -> None:
        pass


class Carried:
    alpn = "h2"

    def __init__(self) -> None:
        self.sent = b""

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        self.sent += chunk

    def write_eof(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass

    def is_closing(self) -> bool:
        return False


async def test_it_speaks_http2() -> None:
    loop = asyncio.get_running_loop()
    speaker = Speaker(
        Claims(NoFeed()),
        now_s=loop.time,
        random=Random(1).random,
        start=lambda name, work: loop.create_task(work, name=name),
    )
    handler, carried = speaker.handler(), Carried()

    handler.connection_made(carried)
    handler.data_received(PREFACE + SETTINGS)

    assert 4 == carried.sent[3]  # the type of the first frame: SETTINGS
    handler.connection_lost(None)
