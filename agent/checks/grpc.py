"""gRPC check: asks the standard health service; SERVING is passing.

The target is ``host:port`` or ``host:port/service``. The two messages of the protocol are small
enough to be written and read by hand. Sources: grpc.health.v1.Health/Check; gRPC over HTTP/2
(https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md); protobuf encoding.
"""

import asyncio
import struct
from typing import Final
from urllib.parse import unquote

from agent.checks.definition import CheckType
from agent.checks.dial import DialError, TlsUse, dial
from agent.checks.http2 import Answer, Http2Client, Http2Error
from agent.checks.outcome import Outcome, critical, passing
from agent.checks.output import head
from agent.checks.settings import NETWORK_TIMEOUT_NS, timeout_ns
from agent.checks.tls import ClientTls, TlsDemand
from catalog.duration import SECOND

METHOD_PATH: Final = "/grpc.health.v1.Health/Check"
USER_AGENT: Final = "Consul Health Check"
SERVING: Final = 1
SERVING_STATUSES: Final = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
CODES: Final = (
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
)
_MESSAGE_PREFIX: Final = struct.Struct(">BI")  # compressed or not; length of the message
_VARINT_BYTES_MAX: Final = 10  # of a 64-bit number


class GrpcError(Exception):
    """The call failed; the text is in the form of Go's gRPC library, as Consul shows it."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"rpc error: code = {code} desc = {description}")


class GrpcProbe:
    """Calls ``Check`` for one service on its own connection."""

    def __init__(self, definition: CheckType, client_tls: ClientTls, output_bytes: int) -> None:
        self._definition = definition
        self._client_tls = client_tls
        self._output_bytes = output_bytes
        self._address, _, self._service = definition.grpc.partition("/")
        self._timeout_s = timeout_ns(definition, NETWORK_TIMEOUT_NS) / SECOND

    async def run(self) -> Outcome:
        """Passing if the service is SERVING, else critical with its status or the failure."""
        target = self._definition.grpc
        try:
            async with asyncio.timeout(self._timeout_s):
                status = await self._ask()
        except TimeoutError:
            error = GrpcError("DeadlineExceeded", "context deadline exceeded")
            return critical(str(error))
        except (DialError, Http2Error) as failure:
            error = GrpcError("Unavailable", f'connection error: desc = "{failure}"')
            return critical(str(error))
        except GrpcError as error:
            return critical(head(str(error), self._output_bytes))
        if status != SERVING:
            return critical(f"gRPC {target} serving status: {_serving_status(status)}")
        return passing(f"gRPC check {target}: success")

    async def _ask(self) -> int:
        stream = await dial(self._address, timeout_s=self._timeout_s, tls=self._tls())
        client = Http2Client(stream)
        try:
            answer = await client.call(self._headers(), encode_request(self._service))
        finally:
            client.close()
        return decode_answer(answer)

    def _headers(self) -> list[tuple[str, str]]:
        return [
            (":method", "POST"),
            (":scheme", "https" if self._definition.grpc_use_tls else "http"),
            (":path", METHOD_PATH),
            (":authority", self._definition.tls_server_name or self._address),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", USER_AGENT),
        ]

    def _tls(self) -> TlsUse | None:
        definition = self._definition
        if not definition.grpc_use_tls:
            return None
        demand = TlsDemand(skip_verify=definition.tls_skip_verify, http2=True)
        return TlsUse(self._client_tls.context(demand), definition.tls_server_name)


def encode_request(service: str) -> bytes:
    """HealthCheckRequest as one gRPC message; field 1 is the service, absent if empty."""
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    return _MESSAGE_PREFIX.pack(0, len(message)) + message


def decode_answer(answer: Answer) -> int:
    """The serving status of an answer. Raises GrpcError."""
    if answer.headers.get(":status") != "200":
        status = answer.headers.get(":status", "")
        raise GrpcError("Unknown", f"unexpected HTTP status code received from server: {status}")
    code = answer.headers.get("grpc-status", "")
    if code != "0":
        description = unquote(answer.headers.get("grpc-message", ""))
        raise GrpcError(_code_name(code), description or "no gRPC status in the answer")
    try:
        is_compressed, message_bytes = _MESSAGE_PREFIX.unpack_from(answer.body)
        message = bytes(answer.body[_MESSAGE_PREFIX.size :])
        if is_compressed or len(message) != message_bytes:
            raise ValueError("compressed or cut off")
        return decode_response(message)
    except (ValueError, struct.error) as error:
        raise GrpcError("Internal", f"malformed health answer: {error}") from None


def decode_response(message: bytes) -> int:
    """The status (field 1) of a HealthCheckResponse; 0 if absent. Raises ValueError."""
    status = position = 0
    while position < len(message):
        tag, position = _read_varint(message, position)
        match tag & 0b111:
            case 0:
                value, position = _read_varint(message, position)
                if tag >> 3 == 1:
                    status = value
            case 1:
                position += 8
            case 2:
                length, position = _read_varint(message, position)
                position += length
            case 5:
                position += 4
            case wire_type:
                raise ValueError(f"unknown wire type {wire_type}")
    return status


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    """The number at ``position`` and the position behind it."""
    number = 0
    for place, byte in enumerate(message[position : position + _VARINT_BYTES_MAX]):
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return number, position + place + 1
    raise ValueError("unfinished number")


def _code_name(code: str) -> str:
    if code.isascii() and code.isdigit() and int(code) < len(CODES):
        return CODES[int(code)]
    return "Unknown"


def _serving_status(status: int) -> str:
    return SERVING_STATUSES[status] if status < len(SERVING_STATUSES) else str(status)
