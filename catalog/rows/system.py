"""Rows that the cluster keeps about itself."""

from catalog.duration import MILLISECOND, SECOND, Duration
from catalog.schema import Row


class LastIndex(Row, frozen=True, kw_only=True):
    """The log index that last changed what ``key`` names: a table, a service, a kind."""

    key: str
    index: int


class AutopilotConfiguration(Row, frozen=True, kw_only=True):
    """How servers are kept. Source: Consul API, /v1/operator/autopilot/configuration."""

    cleanup_dead_servers: bool = True
    last_contact_threshold: Duration = 200 * MILLISECOND
    max_trailing_logs: int = 250
    min_quorum: int = 0
    server_stabilization_time: Duration = 10 * SECOND
    redundancy_zone_tag: str = ""
    disable_upgrade_migration: bool = False
    upgrade_version_tag: str = ""
    create_index: int = 0
    modify_index: int = 0
