import pytest

from agent.telemetry.masking import is_secret, masked_fields, masked_text


@pytest.mark.parametrize(
    "name",
    [
        "token",
        "Token",
        "X-Consul-Token",
        "SecretID",
        "secret_id",
        "encrypt",
        "encrypt_key",
        "private_key",
        "PrivateKeyPEM",
        "key_pem",
        "agent_master_token",
        "password",
        "Authorization",
    ],
)
def test_field_that_holds_a_secret_is_known_by_its_name(name):
    assert is_secret(name)


@pytest.mark.parametrize("name", ["key", "tokens_count", "node", "accessor_id", "monkey"])
def test_other_fields_are_no_secrets(name):
    assert not is_secret(name)


def test_secrets_are_hidden_at_any_depth():
    fields = {
        "node": "n",
        "token": "s3cret",
        "config": {"encrypt": "s3cret", "list": [{"password": "s3cret"}], "port": 1},
        "deep": {"a": {"b": {"c": {"d": {"token": "s3cret"}}}}},
        "url": "http://x/v1?dc=a&token=s3cret&y",
    }

    shown = masked_fields(fields)

    assert "s3cret" not in str(shown)
    assert shown["node"] == "n"
    assert shown["config"]["port"] == 1
    assert shown["url"] == "http://x/v1?dc=a&token=<hidden>&y"


def test_empty_secret_is_shown_as_empty():
    assert masked_fields({"token": ""}) == {"token": ""}


def test_token_in_the_text_of_an_event_is_hidden():
    assert masked_text("GET /v1?TOKEN=abc failed") == "GET /v1?TOKEN=<hidden> failed"
