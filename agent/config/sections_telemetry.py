"""Keys of metrics and their sinks. Source: surface §5.2."""

from agent.config.rules import name_filters, not_negative
from agent.config.schema import LIVE, Section, opt
from catalog.duration import Duration


class Telemetry(Section, frozen=True):
    """Metrics: what is kept and where it is sent."""

    metrics_prefix: str = opt("consul", "First part of every metric's name.")
    prefix_filter: tuple[str, ...] = opt(
        (), "Prefixes with + (keep) or - (drop).", reload=LIVE, check=name_filters
    )
    filter_default: bool = opt(True, "Keep what no prefix decides.", reload=LIVE)
    disable_hostname: bool = opt(False, "Leave the host's name out of metric names.")
    prometheus_retention_time: Duration = opt(
        0, "How long to keep metrics for Prometheus; 0 turns it off.", check=not_negative
    )
    statsd_address: str = opt("", "Address of statsd.")
    statsite_address: str = opt("", "Address of statsite.")
    dogstatsd_addr: str = opt("", "Address of DogStatsD.")
    dogstatsd_tags: tuple[str, ...] = opt((), "Tags added for DogStatsD.")
    disable: bool = opt(False, "Turn metrics off.")
    disable_per_tenancy_usage_metrics: bool = opt(False, "Leave out usage by tenant.")
    disable_compat_1_9: bool = opt(False, "Leave out the metric names from before 1.9.")
    enable_host_metrics: bool = opt(False, "Add metrics of the host.")
    retry_failed_connection: bool = opt(True, "Try an unreachable sink again.")
    circonus_api_app: str = opt("", "Circonus application name (no effect).")
    circonus_api_token: str = opt("", "Circonus token (no effect).", secret=True)
    circonus_api_url: str = opt("", "Circonus URL (no effect).")
    circonus_broker_id: str = opt("", "Circonus broker (no effect).")
    circonus_broker_select_tag: str = opt("", "Circonus broker tag (no effect).")
    circonus_check_display_name: str = opt("", "Circonus check name (no effect).")
    circonus_check_force_metric_activation: str = opt("", "Circonus activation (no effect).")
    circonus_check_id: str = opt("", "Circonus check (no effect).")
    circonus_check_instance_id: str = opt("", "Circonus instance (no effect).")
    circonus_check_search_tag: str = opt("", "Circonus search tag (no effect).")
    circonus_check_tags: str = opt("", "Circonus tags (no effect).")
    circonus_submission_interval: str = opt("", "Circonus interval (no effect).")
    circonus_submission_url: str = opt("", "Circonus submission URL (no effect).")
