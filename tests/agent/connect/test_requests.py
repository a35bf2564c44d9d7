import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from agent.connect.certificates import Names
from agent.connect.keys import KeyKind, generate
from agent.connect.requests import NAMES_MAX, BadSigningRequest, make_request, parse_request

KIND = KeyKind("ec", 256)
URI = "spiffe://x.consul/ns/default/dc/dc1/svc/web"


def request_of(*names):
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(generate(KIND), SHA256()).public_bytes(Encoding.PEM).decode()


def test_request_carries_all_names_and_its_key():
    key = generate(KIND)
    names = Names(uri=URI, dns_names=("a.b", "*.c.d"), ip_addresses=("127.0.0.1", "::1"))

    request = parse_request(make_request(key, names, "web"))

    assert names == request.names
    assert key.public_key() == request.public_key


@pytest.mark.parametrize(
    "names", [Names(uri=URI, dns_names=("é.example",)), Names(uri=URI, ip_addresses=("x",))]
)
def test_wrong_names_are_not_asked_for(names):
    with pytest.raises(BadSigningRequest, match="certificate asked for with a wrong name"):
        make_request(generate(KIND), names, "web")


@pytest.mark.parametrize(
    ("pem", "text"),
    [
        ("x", "PEM"),
        (request_of(), "SubjectAlternativeName"),
        (request_of(x509.DNSName("a")), "CSR SAN contains an invalid number of URIs: 0"),
        (
            request_of(x509.UniformResourceIdentifier(URI), x509.UniformResourceIdentifier("u:v")),
            "CSR SAN contains an invalid number of URIs: 2",
        ),
        (
            request_of(x509.UniformResourceIdentifier(URI), x509.RFC822Name("a@b.c")),
            "CSR SAN does not allow specifying email addresses",
        ),
        (
            request_of(*(x509.DNSName(f"h{number}") for number in range(NAMES_MAX + 1))),
            "CSR SAN contains more than 1024 names",
        ),
    ],
)
def test_what_is_no_request_of_one_identity_is_refused(pem, text):
    with pytest.raises(BadSigningRequest, match=text):
        parse_request(pem)


def test_request_that_its_key_did_not_sign_is_refused():
    raw = bytearray(
        x509.load_pem_x509_csr(
            request_of(x509.UniformResourceIdentifier(URI)).encode()
        ).public_bytes(Encoding.DER)
    )
    raw[raw.index(URI.encode()) + len(URI) - 1] ^= 1
    forged = x509.load_der_x509_csr(bytes(raw)).public_bytes(Encoding.PEM).decode()

    with pytest.raises(BadSigningRequest, match="CSR signature is not valid"):
        parse_request(forged)
