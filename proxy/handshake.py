"""The TLS handshake of an accepted or a dialled socket, and in few words why one failed.

The words are for counts and logs: they are stable, and they blame the peer's side of it.
"""

import asyncio
import socket
import ssl
from typing import Final

from proxy.tls_carrier import Session

HANDSHAKE_READ_BYTES_MAX: Final = 16_384  # a flight is one to five KiB

_REASONS: Final = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "no-client-certificate",
    "WRONG_VERSION_NUMBER": "not-tls",
    "HTTP_REQUEST": "not-tls",
    "UNSUPPORTED_PROTOCOL": "no-common-version",
    "NO_SHARED_CIPHER": "no-common-cipher",
}
_EXPIRED: Final = 10  # X509_V_ERR_CERT_HAS_EXPIRED


def server_session(context: ssl.SSLContext) -> Session:
    """The accepting side of a handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    return Session(context.wrap_bio(incoming, outgoing, server_side=True), incoming, outgoing)


def client_session(context: ssl.SSLContext, server_name: str) -> Session:
    """The dialling side; ``server_name`` may be empty."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=server_name or None)
    return Session(tls, incoming, outgoing)


async def shake_hands(
    sock: socket.socket, session: Session, loop: asyncio.AbstractEventLoop
) -> None:
    """Go through the handshake; the peer is told why it fails. Raises ssl.SSLError, OSError."""
    while True:
        is_over = False
        try:
            session.tls.do_handshake()
            is_over = True
        except ssl.SSLWantReadError:
            pass
        finally:
            if session.outgoing.pending:
                await loop.sock_sendall(sock, session.outgoing.read())
        if is_over:
            return
        received = await loop.sock_recv(sock, HANDSHAKE_READ_BYTES_MAX)
        if not received:
            raise ConnectionResetError("closed within the handshake")
        session.incoming.write(received)


def reason_of(error: Exception) -> str:
    """Why a handshake failed, in a word."""
    match error:
        case TimeoutError():
            return "timeout"
        case ssl.SSLCertVerificationError(verify_code=code):
            return "expired-certificate" if code == _EXPIRED else "untrusted-certificate"
        case ssl.SSLError(reason=str(reason)) if "_ALERT_" in reason:
            return "refused-by-peer"
        case ssl.SSLError(reason=str(reason)):
            return _REASONS.get(reason, "tls-error")
        case ssl.SSLError():
            return "tls-error"
        case OSError():
            return "closed"
        case _:
            return "tls-error"
