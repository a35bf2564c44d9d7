"""The agent's certificate in TLS contexts, from the configuration. Source: surface, TLS keys."""

import ssl

from agent.config import RuntimeConfig


class TlsError(OSError):
    """The certificate or key cannot be used; the text names the file."""


def server_context(config: RuntimeConfig) -> ssl.SSLContext:
    """The HTTPS listener's context, TLS 1.2 or newer. Raises TlsError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    _configure(context, config)
    context.verify_mode = ssl.CERT_REQUIRED if config.tls.https.verify_incoming else ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


def renew(context: ssl.SSLContext, config: RuntimeConfig) -> None:
    """Use the files of now for new handshakes of a listener. Raises TlsError."""
    # A trial first: a context that took half of a bad pair could not be used any more.
    server_context(config)
    _configure(context, config)


def client_context(config: RuntimeConfig) -> ssl.SSLContext:
    """A context that shows the agent's certificate and trusts its authorities. Raises TlsError."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    _configure(context, config)
    return context


def _configure(context: ssl.SSLContext, config: RuntimeConfig) -> None:
    tls = config.tls.https
    context.minimum_version = (
        ssl.TLSVersion.TLSv1_3 if tls.tls_min_version == "TLSv1_3" else ssl.TLSVersion.TLSv1_2
    )
    try:
        if tls.cert_file:
            context.load_cert_chain(tls.cert_file, tls.key_file)
        if tls.ca_file or tls.ca_path:
            context.load_verify_locations(tls.ca_file or None, tls.ca_path or None)
    except (OSError, ssl.SSLError) as error:
        raise TlsError(f"tls.https: {tls.cert_file}, {tls.key_file}: {error}") from None
