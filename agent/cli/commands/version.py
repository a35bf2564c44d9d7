"""``version``: what this program is, and which API it speaks."""

from typing import Final

from agent.cli.command import Call
from agent.cli.output import say, spaced_json
from agent.version import COMPATIBLE, VERSION

PROTOCOL: Final = 2
PROTOCOL_MAX: Final = 3  # of the gossip, as Consul 1.9 says


def version(call: Call) -> int:
    """``version``."""
    if call.text("format") == "json":
        say(
            spaced_json(
                {
                    "Name": "proconsul",
                    "Version": VERSION,
                    "ConsulCompatible": COMPATIBLE,
                    "Protocol": PROTOCOL,
                    "ProtocolMax": PROTOCOL_MAX,
                }
            )
        )
        return 0
    say(f"proconsul v{VERSION}")
    say(f"Consul-compatible: {COMPATIBLE} API")
    say(
        f"Protocol {PROTOCOL} spoken by default, understands {PROTOCOL} to {PROTOCOL_MAX} "
        "(agent will automatically use protocol >2 when speaking to compatible agents)"
    )
    return 0
