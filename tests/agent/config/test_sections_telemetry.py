from agent.config.sections_telemetry import Telemetry


def test_metrics_are_kept_under_their_prefix_and_prometheus_is_off():
    telemetry = Telemetry()

    assert (
        telemetry.metrics_prefix,
        telemetry.filter_default,
        telemetry.prometheus_retention_time,
    ) == ("consul", True, 0)
