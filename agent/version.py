"""Who this agent is, and whose API it speaks."""

from typing import Final

VERSION: Final = "0.1.0"
COMPATIBLE: Final = "1.9.8"
"""The release of Consul whose answers this API gives; clients read it from /v1/agent/self."""
REVISION: Final = "proconsul"
