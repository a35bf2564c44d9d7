import pytest

from catalog.errors import Invalid
from catalog.rows.config_entry.tls_settings import validate_tls


def test_versions_and_suites_that_fit_are_taken():
    validate_tls("", "", None)
    validate_tls("TLSv1_2", "TLSv1_3", ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",))
    validate_tls("TLS_AUTO", "TLSv1_0", None)


@pytest.mark.parametrize(
    ("minimum", "maximum", "suites", "text"),
    [
        ("SSLv3", "", None, "unknown TLS version SSLv3, must be one of TLS_AUTO"),
        ("TLSv1_3", "TLSv1_2", None, "configuring max version TLSv1_2 less than"),
        ("TLSv1_3", "", ("x",), "configuring CipherSuites is only applicable"),
        ("", "", ("ROT13",), "unknown cipher suite ROT13, must be one of"),
    ],
)
def test_others_are_refused(minimum, maximum, suites, text):
    with pytest.raises(Invalid, match=f"^{text}"):
        validate_tls(minimum, maximum, suites)
