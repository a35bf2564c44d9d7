"""The pure parts of the raft benchmark; the benchmark itself is no test."""

import pytest

from tests.bench.command import parse
from tests.bench.load import LoadError
from tests.bench.measure import Result
from tests.bench.raft import RAFT
from tests.bench.raft_load import (
    Load,
    milliseconds,
    percentile,
    put_body,
    read_h2load,
    read_wrk,
    with_unasked,
)
from tests.bench.raft_measure import FULL, Seen, compared

WRK = """Running 5s test @ http://127.0.0.1:1234
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     5.71ms    5.89ms  95.62ms   95.38%
    Req/Sec    11.58k     2.10k   14.01k    80.00%
  Latency Distribution
     50%    4.23ms
     75%    5.50ms
     90%    7.44ms
     99%   25.62ms
  57812 requests in 5.02s, 15.55MB read
Requests/sec:  11523.60
Transfer/sec:      3.10MB
"""
H2LOAD = "requests: 4 total, 4 started, 4 done, 4 succeeded, 0 failed, 0 errored, 0 timeout\n"
LOG = "1795613621681021\t200\t4000\n1795613621681022\t200\t1000\n1795613621681023\t200\t9000\n"


def seen(rate: float, p99_ms: float) -> Seen:
    return Seen(load=Load(rate=rate, p50_ms=1.0, p99_ms=p99_ms), cpu_us=100.0)


def test_wrk_is_read():
    assert Load(rate=11523.6, p50_ms=4.23, p99_ms=25.62) == read_wrk(WRK)


def test_wrk_without_latencies_is_an_error():
    with pytest.raises(LoadError):
        read_wrk("Requests/sec: 10.0")


@pytest.mark.parametrize(
    ("text", "expected"), [("274.00us", 0.274), ("4.23ms", 4.23), ("1.02s", 1020.0)]
)
def test_times_of_wrk_have_units(text: str, expected: float):
    assert expected == pytest.approx(milliseconds(text))


def test_h2load_is_read_from_its_log():
    load = read_h2load(H2LOAD, LOG, connections=64, seconds=2)

    assert Load(rate=1.5, p50_ms=4.0, p99_ms=9.0) == load


def test_h2load_with_failed_requests_is_an_error():
    with pytest.raises(LoadError):
        read_h2load(H2LOAD.replace("0 failed", "1 failed"), LOG, connections=64, seconds=2)


def test_a_stall_counts_for_the_requests_that_were_not_asked():
    assert [1.0, 9.0, 7.0, 5.0, 3.0] == with_unasked([1.0, 9.0], interval_ms=2.0)


def test_put_of_etcd_is_a_grpc_message():
    # By protoc from etcd's rpc.proto: PutRequest(key=b"k", value=b"vv").
    assert b"\0\0\0\0\x07" + bytes.fromhex("0a016b12027676") == put_body(b"k", b"vv")


def test_percentile_of_nothing_is_zero():
    assert (0.0, 3.0, 4.0) == (
        percentile([], 0.5),
        percentile([1.0, 2.0, 3.0, 4.0], 0.5),
        percentile([1.0, 2.0, 3.0, 4.0], 0.99),
    )


def test_writes_are_compared_with_those_of_etcd_in_the_same_round():
    etcd = [seen(5000, 10.0), seen(1000, 50.0), seen(5000, 10.0)]
    agents = [seen(7000, 9.0), seen(1500, 40.0), seen(7500, 8.0)]

    rate, rate_ratio, p99, p99_ratio = compared(FULL, etcd, agents)

    assert (7000.0, 1.5) == (rate.value, rate_ratio.value)
    assert (9.0, 0.8) == (p99.value, p99_ratio.value)
    assert all(result.met for result in (rate, rate_ratio, p99, p99_ratio))


def test_a_rate_below_etcds_with_a_margin_is_a_miss():
    results = list(compared(FULL, [seen(5000, 10.0)], [seen(6000, 11.0)]))

    assert [True, False, True, False] == [result.met for result in results]


def test_only_the_full_load_has_bounds():
    results: list[Result] = list(compared(1, [seen(5000, 10.0)], [seen(10, 99.0)]))

    assert [None] * 4 == [result.target for result in results]


@pytest.mark.parametrize("argv", [["--rounds", "0"], ["--seconds", "3600"]])
def test_wrong_arguments_are_refused(argv: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        parse(RAFT, argv)

    assert argv[0] in capsys.readouterr().err
