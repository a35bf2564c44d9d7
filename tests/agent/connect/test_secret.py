import pytest

from agent.connect.secret import hide, reveal
from catalog.errors import Invalid

METHOD = {"Type": "approle", "Params": {"role_id": "r", "secret_id": "s3cret"}}


def test_secrets_are_not_shown_and_known_all_the_same():
    config = {"Address": "http://v", "Token": "t0ken", "AuthMethod": METHOD}

    shown, secrets = hide(config, {})

    assert "t0ken" not in str(shown)
    assert "s3cret" not in str(shown)
    assert shown["AuthMethod"]["Params"]["role_id"] == "r"
    assert config == reveal(shown, secrets)


def test_what_is_shown_can_be_written_back():
    shown, secrets = hide({"Token": "t0ken"}, {})

    assert (shown, secrets) == hide(shown, secrets)
    assert hide({"Token": "other"}, secrets)[1] == {"Token": "other"}


def test_settings_without_secrets_stay_as_they_are():
    assert hide({"LeafCertTTL": "1h", "Token": ""}, {}) == ({"LeafCertTTL": "1h", "Token": ""}, {})


def test_a_secret_that_is_not_known_is_refused():
    with pytest.raises(Invalid, match="Token is 'hidden', but none is known"):
        hide({"Token": "hidden"}, {})
