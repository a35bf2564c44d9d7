"""Who a proxy is, whom it believes, and how TLS is spoken."""

from typing_extensions import override

from proxy.api.value import Value


class Identity(Value, frozen=True, kw_only=True):
    """A leaf with its key. ``certificates_pem``: the leaf, then intermediates. A secret."""

    service: str
    uri: str
    serial: str
    certificates_pem: str
    private_key_pem: str
    expires_at_s: float

    @override
    def __repr__(self) -> str:
        return f"Identity({self.uri!r}, serial={self.serial!r})"  # never the key


class TlsVersions(Value, frozen=True, kw_only=True):
    """``min``, ``max``: "", ``TLSv1_2`` or ``TLSv1_3``; ciphers: OpenSSL's names (TLS 1.2 only)."""

    min: str = ""
    max: str = ""
    ciphers: tuple[str, ...] = ()


class ServerTls(Value, frozen=True, kw_only=True):
    """How a listener speaks TLS: with one of ``ProxyConfig.identities``, or with given PEM.

    ``mutual``: the peer must show a leaf below the mesh's roots.
    """

    identity: str = ""
    certificates_pem: str = ""
    private_key_pem: str = ""
    mutual: bool = True
    alpn: tuple[str, ...] = ()
    versions: TlsVersions = TlsVersions()

    @override
    def __repr__(self) -> str:
        shown = self.identity or self.certificates_pem
        return f"ServerTls({shown!r}, mutual={self.mutual}, alpn={self.alpn})"  # never the key


class ClientTls(Value, frozen=True, kw_only=True):
    """How a cluster is dialled with TLS.

    In the mesh: ``identity`` is shown, the peer must have one of ``peer_uris`` (in any datacenter
    of the target) below the mesh's roots. Outside of it (terminating gateways): files, and the
    host name is checked unless it is empty. Without roots the peer is not checked, as Consul does.
    """

    identity: str = ""
    server_name: str = ""
    peer_uris: tuple[str, ...] = ()
    alpn: tuple[str, ...] = ()
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    versions: TlsVersions = TlsVersions()
