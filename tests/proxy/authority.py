"""Certificates for tests: a mesh's authority that issues whatever a test wants to go wrong."""

import time
from itertools import count

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from agent.connect import keys
from agent.connect.certificates import (
    Issuer,
    Life,
    Names,
    Subject,
    cross_sign,
    make_leaf,
    make_root,
    parse_certificate,
)
from proxy.api import Identity

TRUST_DOMAIN = "11111111-2222-3333-4444-555555555555.consul"
EC_256 = keys.KeyKind("ec", 256)
_serials = count(0x0A0B0C)


def uri_of(service: str, trust_domain: str = TRUST_DOMAIN) -> str:
    return f"spiffe://{trust_domain}/ns/default/dc/dc1/svc/{service}"


class Authority:
    """A root. ``previous``: who signs it across, so that those who trust only it go along."""

    def __init__(
        self, trust_domain: str = TRUST_DOMAIN, previous: "Authority | None" = None
    ) -> None:
        self.trust_domain = trust_domain
        self._key = keys.generate(EC_256)
        names = Names(uri=f"spiffe://{trust_domain}")
        subject = Subject(names, "root", self._key.public_key())
        self.root_pem = make_root(self._key, subject, next(_serials), Life(time.time(), 86_400.0))
        self._certificate = parse_certificate(self.root_pem)
        self._intermediate_pem = ""
        if previous is not None:
            self._intermediate_pem = cross_sign(
                self._certificate, previous.issuer, next(_serials), time.time()
            )

    @property
    def issuer(self) -> Issuer:
        return Issuer(self._certificate, self._key)

    def leaf(self, service: str, *, lifetime_s: float = 3600.0, uri: str = "") -> Identity:
        """A leaf; it has expired if its lifetime is below zero."""
        key = keys.generate(EC_256)
        uri = uri or uri_of(service, self.trust_domain)
        subject = Subject(Names(uri=uri), service, key.public_key())
        now_s = time.time() + min(lifetime_s, 0.0) * 2
        serial = next(_serials)
        pem = make_leaf(subject, self.issuer, serial, Life(now_s, abs(lifetime_s)))
        return Identity(
            service=service,
            uri=uri,
            serial=x509_serial(pem),
            certificates_pem=pem + self._intermediate_pem,
            private_key_pem=key.private_bytes(
                Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
            ).decode(),
            expires_at_s=now_s + abs(lifetime_s),
        )


def x509_serial(pem: str) -> str:
    number = x509.load_pem_x509_certificate(pem.encode()).serial_number
    return number.to_bytes((number.bit_length() + 7) // 8, "big").hex(":")
