from agent.config.sections_cluster import Autopilot, GossipLan, GossipWan, Performance
from catalog.duration import MILLISECOND, SECOND


def test_timings_are_the_documented_ones():
    lan, wan = GossipLan(), GossipWan()

    assert (
        lan.gossip_interval,
        lan.probe_interval,
        lan.probe_timeout,
        lan.suspicion_mult,
    ) == (200 * MILLISECOND, SECOND, 500 * MILLISECOND, 4)
    assert (
        wan.gossip_interval,
        wan.probe_interval,
        wan.probe_timeout,
        wan.suspicion_mult,
    ) == (500 * MILLISECOND, 5 * SECOND, 3 * SECOND, 6)
    assert (Performance().raft_multiplier, Performance().rpc_hold_timeout) == (5, 7 * SECOND)
    assert (Autopilot().cleanup_dead_servers, Autopilot().max_trailing_logs) == (True, 250)
