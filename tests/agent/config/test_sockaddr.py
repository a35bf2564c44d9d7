from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config.sockaddr import Interface, TemplateError, expand, is_private

HOST = [
    Interface("lo", "127.0.0.1"),
    Interface("eth0", "10.0.0.9"),
    Interface("eth1", "192.168.1.2"),
    Interface("eth1", "fd00::1"),
    Interface("wan0", "8.8.8.8"),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("{{ GetPrivateIP }}", "10.0.0.9"),
        ("{{GetPublicIP}}", "8.8.8.8"),
        ("{{ GetPrivateIPs }}", "10.0.0.9 192.168.1.2 fd00::1"),
        ('{{ GetInterfaceIP "eth1" }}', "192.168.1.2"),
        ('{{ GetInterfaceIPs "eth1" }}', "192.168.1.2 fd00::1"),
        ('{{ GetInterfaceIP "none" }}', ""),
        ('a {{ GetPublicIP }} {{ GetInterfaceIP "lo" }}', "a 8.8.8.8 127.0.0.1"),
        (
            '{{ GetAllInterfaces | include "network" "192.168.0.0/16" | attr "address" }}',
            "192.168.1.2",
        ),
        ('{{ GetPrivateInterfaces | exclude "name" "eth0" | limit 1 | attr "name" }}', "eth1"),
        (
            '{{ GetAllInterfaces | include "type" "ipv4" | include "flags" "forwardable" '
            '| sort "-address" | join "address" " " }}',
            "192.168.1.2 10.0.0.9 8.8.8.8",
        ),
        (
            '{{ GetAllInterfaces | include "rfc" "1918" | sort "name" | join "address" "," }}',
            "10.0.0.9,192.168.1.2",
        ),
        ('{{ GetPublicInterfaces | include "address" "^9" | attr "address" }}', ""),
    ],
)
def test_template_expands(text, expected):
    assert expected == expand(text, HOST)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{{ GetMagic }}", "unknown source 'GetMagic'; known are"),
        ("{{ GetAllInterfaces }}", "end it with attr"),
        ("{{ GetAllInterfaces | spin }}", "unknown step 'spin'"),
        ("{{ GetPrivateIP | limit 1 }}", "cannot follow a step that gave text"),
        ('{{ GetAllInterfaces | include "mood" "x" | attr "address" }}', "unknown selector mood"),
        ('{{ GetAllInterfaces | include "name" "(" | attr "address" }}', "no regular expression"),
        ('{{ GetAllInterfaces | include "network" "x" | attr "address" }}', "'x' does not appear"),
        ("{{ }}", "an empty step"),
        ('{{ GetInterfaceIP "a }}', "No closing quotation"),
    ],
)
def test_unusable_template_is_refused_with_the_known_words(text, reason):
    with pytest.raises(TemplateError) as caught:
        expand(text, HOST)

    assert reason in str(caught.value)


def test_private_is_rfc_1918_and_4193_only():
    private = ["10.1.1.1", "172.31.0.1", "192.168.0.1", "fd00::1"]
    other = ["127.0.0.1", "169.254.0.1", "8.8.8.8", "fe80::1", "100.64.0.1"]

    assert all(is_private(address) for address in private)
    assert not any(is_private(address) for address in other)


@given(st.text(alphabet="{}|\"'() GetAllInterfacesPrivtIP", max_size=60))
def test_any_text_expands_or_raises_template_error(text):
    with suppress(TemplateError):
        expand("{{" + text + "}}", HOST)
