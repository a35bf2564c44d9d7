"""The load on three servers: wrk for our HTTP API, h2load for etcd's gRPC; rate and latencies.

Both are C programs with one thread and one request in flight a connection. wrk varies keys and
values, because writing the same value twice is no write to the agent; h2load sends one body, which
is a write to etcd each time. A gRPC call is a POST over HTTP/2: its body is one byte that says
"not compressed", the length of the message as u32, big endian, and the message.

While the server stands still a connection asks nothing, so a stall would count once however long it
is. wrk adds what was not asked to its percentiles; the same is done here to what h2load logs.

Sources: "gRPC over HTTP2", etcd's ``rpc.proto`` (PutRequest: key = 1, value = 2), h2load(1), wrk's
``stats_correct``.
"""

from pathlib import Path

import msgspec

from tests.bench.load import LoadError, find, run
from tests.system.agent_process import LOOPBACK

VALUE_BYTES = 64
KEYS = 1000
LENGTH_BYTES_MAX = 127  # of a field whose length takes one byte of protobuf
WARM_UP_S = 1
# The requests are made before the load begins, so that the generator is as cheap as h2load.
PUT_SCRIPT = f"""
local number, made = 0, {{}}
init = function()
  for i = 0, {4 * KEYS - 1} do
    local path = "/v1/kv/bench/put/" .. (i % {KEYS})
    made[i] = wrk.format("PUT", path, nil, string.format("%0{VALUE_BYTES}d", i))
  end
end
request = function()
  number = (number + 1) % {4 * KEYS}
  return made[number]
end
"""
MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What a generator saw: answers a second, median and 99th percentile of their times."""

    rate: float
    p50_ms: float
    p99_ms: float


def http_load(
    port: int, path: str, *, connections: int, seconds: int, script: Path | None = None
) -> Load:
    """Requests over keep-alive connections by wrk; ``script`` makes them."""
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    words += ["-s", str(script)] if script else []
    text = run([*words, f"http://{LOOPBACK}:{port}{path}"], limit_s=seconds + 20)
    if "Non-2xx" in text or "Socket errors" in text:
        raise LoadError(f"{' '.join(words)}: {text}")
    return read_wrk(text)


def read_wrk(text: str) -> Load:
    """What wrk printed."""
    return Load(
        rate=float(find(r"Requests/sec:\s+([\d.]+)", text)),
        p50_ms=milliseconds(find(r"\s50%\s+(\S+)", text)),
        p99_ms=milliseconds(find(r"\s99%\s+(\S+)", text)),
    )


def milliseconds(text: str) -> float:
    """A time as wrk prints it: ``274.00us``, ``4.23ms``, ``1.02s``."""
    unit = next(unit for unit in MILLISECONDS if text.endswith(unit))
    return float(text.removesuffix(unit)) * MILLISECONDS[unit]


def put_body(key: bytes, value: bytes) -> bytes:
    """The body of etcdserverpb.KV/Put over gRPC."""
    assert max(len(key), len(value)) <= LENGTH_BYTES_MAX
    message = b"".join(
        bytes([number << 3 | 2, len(field)]) + field for number, field in ((1, key), (2, value))
    )
    return b"\0" + len(message).to_bytes(4, "big") + message


def etcd_load(port: int, *, connections: int, seconds: int, folder: Path) -> Load:
    """Puts to a member of etcd, by h2load; whether they were writes only the revision tells."""
    body, log = folder / "put.grpc", folder / "h2load.log"
    body.write_bytes(put_body(b"bench/put/0001", bytes(VALUE_BYTES)))
    log.unlink(missing_ok=True)
    words = ["h2load", "-t1", "-m1", f"-c{connections}", f"-D{seconds}"]
    words += [f"--warm-up-time={WARM_UP_S}", "-d", str(body), "--log-file", str(log)]
    words += ["-H", "content-type: application/grpc", "-H", "te: trailers"]
    target = f"http://{LOOPBACK}:{port}/etcdserverpb.KV/Put"
    text = run([*words, target], limit_s=seconds + 20)
    return read_h2load(text, log.read_text(), connections=connections, seconds=seconds)


def read_h2load(text: str, log: str, *, connections: int, seconds: float) -> Load:
    """What h2load printed, and its log: start in microseconds, status, microseconds taken."""
    if ", 0 failed, 0 errored, 0 timeout" not in text:
        raise LoadError(f"h2load: {text}")
    taken_ms = [int(line.split("\t")[2]) / 1000 for line in log.splitlines()]
    if not taken_ms:
        raise LoadError(f"h2load logged nothing: {text}")
    rate = len(taken_ms) / seconds
    ordered = sorted(with_unasked(taken_ms, interval_ms=connections / rate * 1000))
    return Load(
        rate=rate,
        p50_ms=percentile(ordered, 0.5),
        p99_ms=percentile(ordered, 0.99),
    )


def with_unasked(taken_ms: list[float], *, interval_ms: float) -> list[float]:
    """The times, and those of the requests that were due every ``interval_ms`` meanwhile."""
    unasked: list[float] = []
    for each in taken_ms:
        if each >= 2 * interval_ms:
            unasked += [each - interval_ms * n for n in range(1, int(each / interval_ms))]
    return taken_ms + unasked


def percentile(ordered: list[float], share: float) -> float:
    """The value that ``share`` of them do not exceed; 0.0 of none."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0
