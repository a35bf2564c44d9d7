"""The TLS of the HTTPS listener, from the configuration. Source: surface, TLS keys."""

import ssl

from agent.config import RuntimeConfig


class TlsError(OSError):
    """The certificate or key cannot be used; the text names the file."""


def server_context(config: RuntimeConfig) -> ssl.SSLContext:
    """A server's context, TLS 1.2 or newer. Raises TlsError."""
    tls = config.tls.https
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.tls_min_version == "TLSv1_3":
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_cert_chain(tls.cert_file, tls.key_file)
        if tls.ca_file or tls.ca_path:
            context.load_verify_locations(tls.ca_file or None, tls.ca_path or None)
    except (OSError, ssl.SSLError) as error:
        raise TlsError(f"tls.https: {tls.cert_file}, {tls.key_file}: {error}") from None
    context.verify_mode = ssl.CERT_REQUIRED if tls.verify_incoming else ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context
