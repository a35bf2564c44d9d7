"""What a starting agent says of itself."""

from agent.config import RuntimeConfig
from agent.version import COMPATIBLE, VERSION


def banner(config: RuntimeConfig) -> str:
    """Version, names and addresses, a line each."""
    rows = [
        ("Version", f"{VERSION} (Consul {COMPATIBLE} API)"),
        ("Node name", config.node_name),
        ("Datacenter", config.datacenter),
        ("Server", f"{str(config.server).lower()} (dev: {str(config.dev_mode).lower()})"),
        ("Data", config.data_dir or "in memory"),
        ("HTTP", ", ".join(str(place) for place in config.http_addrs) or "off"),
        ("HTTPS", ", ".join(str(place) for place in config.https_addrs) or "off"),
        ("DNS", ", ".join(str(place) for place in config.dns_addrs) or "off"),
    ]
    lines = "".join(f"{name + ':':>14} {value}\n" for name, value in rows)
    return (
        f"==> Starting proconsul agent...\n{lines}\n"
        "==> Log data will now stream in as it occurs:\n\n"
    )
