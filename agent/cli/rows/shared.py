"""Flags that several commands share."""

from typing import Final

from agent.cli.flags import Flag, Kind

CAS: Final = (
    Flag("cas", "Write only if -modify-index is still the entry's; 0 means absent.", Kind.SWITCH),
    Flag("modify-index", "Index that -cas expects.", Kind.COUNT, "0"),
)
FORMAT: Final = Flag("format", "How to print: pretty or json.", default="pretty")
NODE_META: Final = Flag("node-meta", "Only nodes with this key=value.", Kind.TEXTS)
SHELL: Final = Flag("shell", "Run the command with a shell.", Kind.SWITCH, "true")
WAN: Final = Flag("wan", "Use the pool between datacenters.", Kind.SWITCH)
