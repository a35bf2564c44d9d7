"""TLS contexts from one protocol's keys of the configuration, for either end.

A context shows the agent's certificate, trusts the authorities that are named and no others, and
speaks TLS 1.2 or newer: the versions below are not offered even if ``tls_min_version`` asks for
one. Sessions are not resumed, so each connection shows its certificates anew.
Source: Consul, TLS keys; surface §5.2.
"""

import ssl
from pathlib import Path

from agent.config.cipher_suites import OPENSSL_NAMES, names_of
from agent.config.sections_security import TLSProtocol


class TlsError(OSError):
    """A certificate, a key or an authority cannot be used; the text names key and file."""


def server_context(keys: TLSProtocol, path: str) -> ssl.SSLContext:
    """For who accepts; clients need a certificate if ``verify_incoming`` says so.

    ``path`` is where the keys are in the configuration, for errors. Raises TlsError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    configure(context, keys, path)
    context.verify_mode = ssl.CERT_REQUIRED if keys.verify_incoming else ssl.CERT_NONE
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    return context


def client_context(keys: TLSProtocol, path: str) -> ssl.SSLContext:
    """For who dials: the other end's certificate must be of a trusted authority.

    Its name is looked at as ``verify_server_hostname`` says. Raises TlsError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = keys.verify_server_hostname
    configure(context, keys, path)
    return context


def failure_reason(error: BaseException) -> str:
    """Why a handshake failed, in a few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__


def configure(context: ssl.SSLContext, keys: TLSProtocol, path: str) -> None:
    """Give a context the versions, suites, certificate and authorities. Raises TlsError."""
    newest_only = keys.tls_min_version == "TLSv1_3"
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if newest_only else ssl.TLSVersion.TLSv1_2
    suites = [OPENSSL_NAMES[name] for name in names_of(keys.tls_cipher_suites)]
    if suites:
        context.set_ciphers(":".join(suites))
    if keys.cert_file:
        try:
            context.load_cert_chain(keys.cert_file, keys.key_file)
        except (OSError, ssl.SSLError) as error:
            text = f"{path}: {keys.cert_file}, {keys.key_file}: {failure_reason(error)}"
            raise TlsError(text) from None
    for authority in _authority_files(keys, path):
        try:
            context.load_verify_locations(authority)
        except (OSError, ssl.SSLError) as error:
            raise TlsError(f"{path}: {authority}: {failure_reason(error)}") from None


def _authority_files(keys: TLSProtocol, path: str) -> list[Path]:
    """The file, or else all of the directory, whatever their names are."""
    if keys.ca_file:
        return [Path(keys.ca_file)]
    if not keys.ca_path:
        return []
    try:
        found = sorted(each for each in Path(keys.ca_path).iterdir() if each.is_file())
    except OSError as error:
        raise TlsError(f"{path}.ca_path: {keys.ca_path}: {failure_reason(error)}") from None
    if not found:
        raise TlsError(f"{path}.ca_path: {keys.ca_path}: no file in this directory")
    return found
