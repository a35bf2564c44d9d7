"""scripts/bench raft: three servers beside etcd."""

from tests.bench.command import Benchmark
from tests.bench.raft_measure import results

RAFT = Benchmark("raft", "etcd", '"log*" or "PUT*"', results)
