import pytest

from catalog.rows.config_entry import decode_entry, entry_to_json, normalize

LOCAL = {"Local": {"JWKS": "e30="}}


def provider(keys=LOCAL, **fields):
    return {"Kind": "jwt-provider", "Name": "okta", "JSONWebKeySet": keys, **fields}


def remote(**fields):
    return provider({"Remote": {"URI": "https://x/keys", **fields}})


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (provider(), ""),
        (remote(JWKSCluster={"TLSCertificates": {"TrustedCA": {"Filename": "/ca"}}}), ""),
        ({"Kind": "jwt-provider"}, "JSONWebKeySet is required"),
        (provider({}), "must specify exactly one of Local or Remote JSON Web key set"),
        (
            provider({"Local": {}}),
            "must specify exactly one of String or filename for local keyset",
        ),
        (provider({"Local": {"JWKS": "%"}}), "JWKS must be valid base64 encoded string"),
        (provider({"Remote": {}}), "Remote JWKS URI is required"),
        (
            remote(URI="ftp://x"),
            "Remote JWKS URI is invalid: it must begin with http:// or https://, uri: ftp://x",
        ),
        (
            remote(RetryPolicy={"RetryPolicyBackOff": {"BaseInterval": "2s", "MaxInterval": "1s"}}),
            "retry policy backoff's MaxInterval should be greater or equal to BaseInterval",
        ),
        (
            remote(JWKSCluster={"DiscoveryType": "GUESS"}),
            'unsupported jwks cluster discovery type: "GUESS"',
        ),
        (
            remote(JWKSCluster={"TLSCertificates": {}}),
            "must specify exactly one of: CaCertificateProviderInstance or TrustedCA for JKWS' "
            "TLSCertificates",
        ),
        (
            remote(JWKSCluster={"TLSCertificates": {"TrustedCA": {}}}),
            "must specify exactly one of: Filename, EnvironmentVariable, InlineString or "
            "InlineBytes for JWKS' TrustedCA",
        ),
        (
            provider(Locations=[{}, {"Cookie": {}}]),
            "2 errors occurred:\n\t* must set exactly one of: JWT location header, query param or "
            "cookie\n\t* JWT location cookie name must be specified\n\n",
        ),
        (provider(Forwarding={}), "Header name required for forwarding config"),
        (provider(ClockSkewSeconds=-1), "ClockSkewSeconds must be >= 0"),
    ],
)
def test_provider_that_contradicts_itself_is_refused(refusal, body, text):
    assert text == refusal(body)


def test_clocks_may_be_half_a_minute_apart():
    assert 30 == entry_to_json(normalize(decode_entry(provider())))["ClockSkewSeconds"]
