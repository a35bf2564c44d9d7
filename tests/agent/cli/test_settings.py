"""Claims about addresses, tokens and the precedence of flags over the environment."""

import pytest

from agent.cli.failure import Failure
from agent.cli.settings import settings_from


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("", ("http", "127.0.0.1", 8500, "")),
        ("host:1", ("http", "host", 1, "")),
        (":8501", ("http", "127.0.0.1", 8501, "")),
        ("http://h:2", ("http", "h", 2, "")),
        ("https://h:3/", ("https", "h", 3, "")),
        ("https://h", ("https", "h", 443, "")),
        ("[::1]:4", ("http", "::1", 4, "")),
        ("unix:///tmp/s", ("http", "unix.sock", 80, "/tmp/s")),
    ],
)
def test_address_forms(written, expected):
    found = settings_from({"http-addr": written}, {})

    assert expected == (found.scheme, found.host, found.port, found.socket_path)


def test_flag_beats_environment():
    environment = {"CONSUL_HTTP_ADDR": "e:1", "CONSUL_HTTP_TOKEN": "te"}

    assert settings_from({}, environment).host == "e"
    assert settings_from({"http-addr": "f:1", "token": "tf"}, environment).host == "f"
    assert settings_from({"token": "tf"}, environment).token == "tf"


def test_token_file_flag_beats_token_variable(tmp_path):
    (tmp_path / "t").write_text("from-file\n")

    found = settings_from({"token-file": str(tmp_path / "t")}, {"CONSUL_HTTP_TOKEN": "te"})

    assert found.token == "from-file"


def test_basic_authorization_and_https_come_from_the_environment():
    found = settings_from(
        {},
        {
            "CONSUL_HTTP_AUTH": "u:p:w",
            "CONSUL_HTTP_SSL": "true",
            "CONSUL_HTTP_SSL_VERIFY": "false",
            "CONSUL_HTTP_ADDR": "h:1",
        },
    )

    assert found.authorization == "Basic dTpwOnc="
    assert found.scheme == "https"
    assert not found.tls.verify


@pytest.mark.parametrize(
    ("flags", "environment", "text"),
    [
        ({"http-addr": "ftp://x"}, {}, 'Unknown protocol scheme "ftp"'),
        ({"http-addr": "h:99999"}, {}, 'Invalid port "99999"'),
        ({"token-file": "/nonexistent"}, {}, "Error loading token file /nonexistent"),
        ({}, {"CONSUL_HTTP_SSL": "perhaps"}, "CONSUL_HTTP_SSL must be true or false"),
    ],
)
def test_bad_settings_are_named(flags, environment, text):
    with pytest.raises(Failure) as caught:
        settings_from(flags, environment)

    assert str(caught.value).startswith(text)
