"""The names of cipher suites."""

import ssl

from agent.config.cipher_suites import OPENSSL_NAMES, cipher_suites, names_of


def test_every_suite_is_one_that_openssl_has():
    for name in OPENSSL_NAMES.values():
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ciphers(name)


def test_a_list_may_have_blanks_and_be_empty():
    written = "TLS_RSA_WITH_AES_128_CBC_SHA, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,"

    assert names_of(written) == [
        "TLS_RSA_WITH_AES_128_CBC_SHA",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    ]
    assert cipher_suites(written) == cipher_suites("") == ""


def test_an_unknown_suite_is_refused_and_the_known_ones_are_told():
    complaint = cipher_suites("TLS_RSA_WITH_RC4_128_SHA")

    assert complaint.startswith('must name cipher suites, not "TLS_RSA_WITH_RC4_128_SHA"')
    assert "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" in complaint
