"""``connect ca``: the configuration of the mesh's certificate authority."""

from agent.cli.command import Call
from agent.cli.failure import Failure, explaining
from agent.cli.input import document_from
from agent.cli.output import say, tabbed_json

_PATH = "/v1/connect/ca/configuration"


def get_config(call: Call) -> int:
    """``connect ca get-config``: JSON."""
    call.expect_arguments(0, 0, "")
    with explaining("Error querying CA configuration"):
        configuration = call.client.get_json(_PATH)
    say(tabbed_json(configuration))
    return 0


def set_config(call: Call) -> int:
    """``connect ca set-config -config-file FILE``."""
    call.expect_arguments(0, 0, "")
    name = call.text("config-file")
    if not name:
        raise Failure("The -config-file flag is required")
    wanted = document_from(name)
    if call.switch("force-without-cross-signing"):
        wanted["ForceWithoutCrossSigning"] = True
    with explaining("Error setting CA configuration"):
        call.client.put_json(_PATH, wanted)
    say("Configuration updated!")
    return 0
