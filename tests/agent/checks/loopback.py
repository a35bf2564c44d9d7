"""Servers on free loopback ports that leave no connection behind when their block ends."""

import asyncio
import contextlib

import h2.config
import h2.connection
import h2.events


@contextlib.asynccontextmanager
async def stream_server(handler, *, tls=None):
    """Serve each connection with ``handler(reader, writer)``; yields ``127.0.0.1:port``."""
    conversations = set()

    async def serve(reader, writer):
        conversations.add(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await handler(reader, writer)
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls) as server:
        try:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            await asyncio.sleep(0)  # lets accepted connections reach their handler
            for conversation in conversations:
                conversation.cancel()
            await asyncio.gather(*conversations, return_exceptions=True)


async def hang_up(_reader, writer):
    writer.close()


async def silent(_reader, _writer):
    await asyncio.Event().wait()


def h2_server(respond=None, *, tls=None):
    """Speak HTTP/2; ``respond(h2, stream_id, headers, body)`` answers a request."""

    async def converse(reader, writer):
        connection = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        )
        connection.initiate_connection()
        requests = {}
        while True:
            writer.write(connection.data_to_send())
            received = await reader.read(65536)
            if not received:
                return
            for event in connection.receive_data(received):
                if isinstance(event, h2.events.RequestReceived):
                    requests[event.stream_id] = (dict(event.headers), bytearray())
                elif isinstance(event, h2.events.DataReceived):
                    requests[event.stream_id][1].extend(event.data)
                elif isinstance(event, h2.events.StreamEnded) and respond:
                    headers, body = requests.pop(event.stream_id)
                    respond(connection, event.stream_id, headers, bytes(body))

    return stream_server(converse, tls=tls)
