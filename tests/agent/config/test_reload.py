from agent.config import plan_reload
from agent.config.reload import value_at


def test_equal_configurations_change_nothing(start):
    plan = plan_reload(start("-dev"), start("-dev"))

    assert (plan.live, plan.restart) == ((), ())


def test_live_keys_are_taken_over_and_restart_keys_reported(start):
    old = start("-dev")
    new = start(
        "-dev",
        "-log-level",
        "ERR",
        "-http-port",
        "9",
        "-node-meta",
        "a:b",
        "-hcl",
        'dns_config { only_passing = true } service { name = "web" }',
        "-hcl",
        "limits { rpc_rate = 5, kv_max_value_size = 9 }",
    )

    plan = plan_reload(old, new)

    assert {
        "log_level",
        "node_meta",
        "dns_config.only_passing",
        "services",
        "limits.rpc_rate",
    } == set(plan.live)
    assert {"ports.http", "limits.kv_max_value_size"} == set(plan.restart)
    assert (
        plan.config.log_level,
        plan.config.ports.http,
        plan.config.dns_config.only_passing,
        plan.config.limits.rpc_rate,
        plan.config.limits.kv_max_value_size,
    ) == ("ERR", 8500, True, 5.0, 524288)
    assert old.http_addrs == plan.config.http_addrs


def test_value_at_follows_dots(start):
    assert value_at(start("-dev"), "ports.http") == 8500
