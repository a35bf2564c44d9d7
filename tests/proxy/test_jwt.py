import base64
import hmac
import json
import subprocess
import sys
import time
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from proxy.api import JwtLocation, JwtProvider
from proxy.core.request import RequestFacts
from proxy.http import Headers, RequestHead
from proxy.jwt import TOKEN_BYTES_MAX, Verified, apply, shown, verify

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
STRANGER = ec.generate_private_key(ec.SECP256R1())

RSA_KEY = RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True) | {"kid": "rsa"}
EC_KEY = ECAlgorithm.to_jwk(EC.public_key(), as_dict=True) | {"kid": "ec", "alg": "ES256"}
ED_KEY = OKPAlgorithm.to_jwk(ED.public_key(), as_dict=True) | {"kid": "ed", "use": "sig"}
SECRET_KEY = {"kty": "oct", "kid": "hmac", "k": base64.urlsafe_b64encode(b"s" * 32).decode()}
KEYS = json.dumps({"keys": [RSA_KEY, EC_KEY, ED_KEY, SECRET_KEY]})
OKTA = JwtProvider(name="okta", issuer="https://okta", keys=KEYS)


def token_of(
    key: Any = EC, algorithm: str = "ES256", kid: str | None = "ec", **claims: object
) -> bytes:
    content = {"iss": "https://okta", "sub": "me"} | claims
    return pyjwt.encode(content, key, algorithm, {"kid": kid} if kid else None).encode()


def head_of(*headers: tuple[bytes, bytes], target: bytes = b"/a") -> RequestHead:
    return RequestHead(
        method=b"GET", scheme=b"http", authority=b"web", target=target, headers=list(headers)
    )


def bearer(token: bytes) -> RequestHead:
    return head_of((b"Authorization", b"Bearer " + token))


def verified(provider: JwtProvider, head: RequestHead) -> Verified:
    return verify((provider,), RequestFacts(head))


def is_valid(token: bytes, provider: JwtProvider = OKTA) -> bool:
    return "okta" in verified(provider, bearer(token)).claims


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [
        (EC, "ES256", "ec"),
        (EC, "ES256", None),
        (RSA, "RS256", "rsa"),
        (RSA, "PS512", "rsa"),
        (ED, "EdDSA", "ed"),
        (ED, "EdDSA", None),
    ],
)
def test_token_of_a_known_key_gives_its_claims(key: Any, algorithm: str, kid: str | None) -> None:
    claims = verified(OKTA, bearer(token_of(key, algorithm, kid))).claims

    assert {"okta": {"iss": "https://okta", "sub": "me"}} == claims


def test_no_provider_and_no_token_give_no_claims() -> None:
    assert Verified() == verify((), RequestFacts(bearer(token_of())))
    assert Verified() == verified(OKTA, head_of())


# What is no valid token.


def test_secrets_and_none_sign_nothing() -> None:
    assert not is_valid(token_of(b"s" * 32, "HS256", "hmac"))
    assert not is_valid(token_of(b"s" * 32, "HS256", None))
    assert not is_valid(token_of(None, "none", None))
    assert not is_valid(token_of(None, "none", "ec"))


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_public_key_is_no_secret(encoding: Encoding) -> None:
    public = RSA.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT","kid":"rsa"}').rstrip(b"=")
    signed = head + b"." + token_of().split(b".")[1]
    signature = base64.urlsafe_b64encode(hmac.digest(public, signed, "sha256")).rstrip(b"=")

    assert not is_valid(signed + b"." + signature)


def test_signature_of_a_stranger_or_of_another_key_is_refused() -> None:
    assert not is_valid(token_of(STRANGER))
    assert not is_valid(token_of(STRANGER, kid=None))
    assert not is_valid(token_of(kid="rsa"))
    assert not is_valid(token_of(kid="unknown"))


def test_changed_token_is_refused() -> None:
    head, content, signature = token_of().split(b".")
    other = base64.urlsafe_b64encode(b'{"iss":"https://okta","sub":"root"}').rstrip(b"=")

    assert is_valid(b".".join([head, content, signature]))
    assert not is_valid(b".".join([head, other, signature]))
    assert not is_valid(b".".join([head, content, b""]))


def test_algorithm_that_the_key_is_not_for_is_refused() -> None:
    keys = json.dumps({"keys": [RSA_KEY | {"alg": "RS256"}]})
    provider = JwtProvider(name="okta", keys=keys)

    assert is_valid(token_of(RSA, "RS256", "rsa"), provider)
    assert not is_valid(token_of(RSA, "RS512", "rsa"), provider)


def test_issuer_is_compared_if_there_is_one() -> None:
    assert not is_valid(token_of(iss="https://other"))
    assert is_valid(token_of(iss="https://other"), JwtProvider(name="okta", keys=KEYS))


def test_one_audience_is_enough_and_none_is_not() -> None:
    provider = JwtProvider(name="okta", keys=KEYS, audiences=("web", "api"))

    assert is_valid(token_of(aud=["x", "api"]), provider)
    assert not is_valid(token_of(aud="x"), provider)
    assert not is_valid(token_of(), provider)
    assert is_valid(token_of(aud="whoever"))


def test_times_are_checked_with_some_skew() -> None:
    now_s = int(time.time())

    assert is_valid(token_of(exp=now_s - 10, nbf=now_s + 10, iat=now_s + 1000))
    assert not is_valid(token_of(exp=now_s - 40))
    assert not is_valid(token_of(nbf=now_s + 60))
    strict = JwtProvider(name="okta", keys=KEYS, clock_skew_s=0.0)
    assert not is_valid(token_of(exp=now_s - 10), strict)


@pytest.mark.parametrize("keys", ["", "[]", "{}", '{"keys": 1}', '{"keys": [{"kty": "EC"}, {}]}'])
def test_keys_that_cannot_be_read_verify_nothing(keys: str) -> None:
    assert not is_valid(token_of(), JwtProvider(name="okta", keys=keys))


def test_key_for_encryption_verifies_nothing() -> None:
    keys = json.dumps({"keys": [EC_KEY | {"use": "enc"}]})

    assert not is_valid(token_of(), JwtProvider(name="okta", keys=keys))


def test_token_beyond_the_limit_is_not_looked_at() -> None:
    assert not is_valid(token_of(padding="x" * TOKEN_BYTES_MAX))


@given(st.binary(max_size=200) | st.text(".=abcABC019_-", max_size=200).map(str.encode))
def test_any_bytes_are_no_token_and_no_error(token: bytes) -> None:
    assert not is_valid(token)


# Where it is.


@pytest.mark.parametrize(
    ("location", "headers", "target"),
    [
        (JwtLocation(header="X-Token"), [(b"x-token", b"%s")], b"/"),
        (JwtLocation(header="X-Token", value_prefix="T="), [(b"x-token", b"T=%s")], b"/"),
        (JwtLocation(query_param="t"), [], b"/?a=b&t=%s"),
        (JwtLocation(cookie="c"), [(b"Cookie", b"a=b; c=%s")], b"/"),
    ],
)
def test_token_is_found_where_the_provider_says(
    location: JwtLocation, headers: Headers, target: bytes
) -> None:
    provider = JwtProvider(name="okta", keys=KEYS, locations=(location,))
    token = token_of()
    head = head_of(
        *((name, value.replace(b"%s", token)) for name, value in headers),
        target=target.replace(b"%s", token),
    )

    assert "okta" in verified(provider, head).claims
    assert not verified(provider, bearer(token)).claims


def test_default_places_are_the_bearer_and_the_access_token() -> None:
    assert "okta" in verified(OKTA, head_of(target=b"/?access_token=" + token_of())).claims
    assert not verified(OKTA, head_of((b"Authorization", token_of()))).claims


def test_second_place_is_looked_at_if_the_first_has_no_valid_token() -> None:
    head = head_of(
        (b"Authorization", b"Bearer " + token_of(STRANGER)),
        target=b"/?access_token=" + token_of(),
    )

    assert "okta" in verified(OKTA, head).claims


def test_tokens_of_several_providers_are_all_verified() -> None:
    other = JwtProvider(
        name="other", keys=KEYS, issuer="https://other", locations=(JwtLocation(cookie="c"),)
    )
    head = head_of(
        (b"Authorization", b"Bearer " + token_of()),
        (b"Cookie", b"c=" + token_of(iss="https://other")),
    )

    assert {"okta", "other"} == set(verify((OKTA, other), RequestFacts(head)).claims)


# What is passed on.


def test_token_ends_here_unless_it_is_to_be_forwarded() -> None:
    forwarding = JwtProvider(
        name="okta",
        keys=KEYS,
        locations=(JwtLocation(header="Authorization", value_prefix="Bearer ", forward=True),),
    )
    ending, passing = bearer(token_of()), bearer(token_of())

    apply(verified(OKTA, ending), ending)
    apply(verified(forwarding, passing), passing)

    assert ([], 1) == (ending.headers, len(passing.headers))


def test_token_that_is_not_valid_is_not_ours_to_take() -> None:
    head = bearer(token_of(STRANGER))

    apply(verified(OKTA, head), head)

    assert 1 == len(head.headers)


def test_parameter_with_the_token_is_taken_out_of_the_query() -> None:
    only = head_of(target=b"/a?access_token=" + token_of())
    among = head_of(target=b"/a?b=c&access%5Ftoken=" + token_of() + b"&d")

    apply(verified(OKTA, only), only)
    apply(verified(OKTA, among), among)

    assert (b"/a", b"/a?b=c&d") == (only.target, among.target)


@pytest.mark.parametrize("pad", [True, False])
def test_payload_is_passed_on_in_its_header(pad: bool) -> None:
    provider = JwtProvider(
        name="okta", keys=KEYS, forward_header="X-Claims", pad_forward_header=pad
    )
    head = bearer(token_of(sub="a"))

    apply(verified(provider, head), head)

    ((name, value),) = head.headers
    assert b"x-claims" == name
    padded = value + b"=" * (-len(value) % 4)
    assert {"iss": "https://okta", "sub": "a"} == json.loads(base64.urlsafe_b64decode(padded))
    assert value == (padded if pad else padded.rstrip(b"="))


def test_nobody_else_can_say_what_a_token_said() -> None:
    provider = JwtProvider(name="okta", keys=KEYS, forward_header="X-Claims")
    head = head_of((b"x-CLAIMS", b"forged"))

    apply(verified(provider, head), head)

    assert [] == head.headers


def test_library_is_loaded_with_the_first_token() -> None:
    code = "import sys, proxy.jwt; sys.exit('jwt' in sys.modules)"

    assert 0 == subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode


def test_a_target_is_shown_without_tokens() -> None:
    elsewhere = JwtProvider(name="x", locations=(JwtLocation(query_param="jwt"),))

    assert b"/a" == shown((OKTA,), b"/a?access_token=x")
    assert b"/a?access_token=x" == shown((elsewhere,), b"/a?access_token=x&jwt=y")
    assert b"/a?b" == shown((OKTA, elsewhere), b"/a?b&%6awt=y")
    assert b"/a" == shown((OKTA,), b"/a")
