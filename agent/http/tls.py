"""The HTTPS listener's certificate, and that of the agent's own checks, from the configuration.

Source: surface, TLS keys.
"""

import ssl

from agent.config import RuntimeConfig
from agent.tls import configure, server_context

SECTION = "tls.https"


def https_context(config: RuntimeConfig) -> ssl.SSLContext:
    """The HTTPS listener's context. Raises TlsError."""
    context = server_context(config.tls.https, SECTION)
    context.set_alpn_protocols(["http/1.1"])
    return context


def checks_context(config: RuntimeConfig) -> ssl.SSLContext:
    """Shows the agent's certificate, trusts its authorities and the system's. Raises TlsError."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    configure(context, config.tls.https, SECTION)
    return context
