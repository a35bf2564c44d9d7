from gossip.core.policy import OpenPolicy
from tests.gossip.core.solo import Solo, alive


def test_open_policy_takes_everybody_and_keeps_the_configured_time():
    assert "" == OpenPolicy().refuse([])
    assert 60.0 == OpenPolicy().reconnect_timeout_s({"rc_tm": "1s"}, 60.0)


def test_policy_is_asked_with_name_address_and_tags():
    asked = []

    class Nosy(OpenPolicy):
        def refuse(self, candidates):
            asked.extend((c.name, c.address, c.tags) for c in candidates)
            return ""

    solo = Solo(policy=Nosy())
    claim = alive("b", 2)
    solo.hear(claim)

    assert [("b", claim.address, {"role": "web"})] == asked
