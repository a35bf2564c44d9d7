from catalog.rows.config_entry.failover_policy import FailoverPolicy, PrioritizeByLocality
from catalog.shape import to_json


def test_failover_policy_shows_only_what_is_set():
    assert {} == to_json(FailoverPolicy())
    assert {"Mode": "sequential"} == to_json(FailoverPolicy(mode="sequential"))
    assert {"Mode": "none"} == to_json(PrioritizeByLocality(mode="none"))
