"""scripts/bench mesh: pairs of proxies beside Envoy's."""

from tests.bench.command import Benchmark
from tests.bench.mesh_measure import results

MESH = Benchmark("mesh", "Envoy", '"L4*"', results)
