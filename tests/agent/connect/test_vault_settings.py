import pytest

from agent.connect.settings import canonical
from agent.connect.vault_settings import AppRole, read_vault_settings
from catalog.errors import Invalid

GOOD = {
    "address": "https://vault:8200/",
    "token": "t0ken",
    "root_pki_path": "/pki/root/",
    "intermediate_pki_path": "pki/below",
}


def read(**config):
    return read_vault_settings(canonical({**GOOD, **config}))


def test_settings_are_read_in_every_spelling_and_paths_without_slashes():
    settings = read(CAFile="ca.pem", tls_skip_verify="true", Namespace="team")

    assert (settings.address, settings.root_pki_path) == ("https://vault:8200", "pki/root")
    assert (settings.ca_file, settings.tls_skip_verify, settings.namespace) == (
        "ca.pem",
        True,
        "team",
    )
    assert "t0ken" not in repr(settings)


def test_a_role_takes_the_place_of_a_token():
    params = {"role_id": "r", "secret_id": "s3cret"}

    settings = read(token="", auth_method={"type": "approle", "mount_path": "x", "params": params})

    assert settings.app_role == AppRole(mount_path="x", role_id="r", secret_id="s3cret")
    assert "s3cret" not in repr(settings.app_role)


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"address": ""}, "must provide a Vault address"),
        ({"address": "vault:8200"}, "must provide a Vault address"),
        ({"token": ""}, "must provide a Vault token"),
        ({"root_pki_path": ""}, "must provide a valid path to a root PKI backend"),
        ({"intermediate_pki_path": "/"}, "must provide a valid path for the intermediate PKI"),
        ({"intermediate_pki_path": "pki/root"}, "RootPKIPath and IntermediatePKIPath must differ"),
        ({"cert_file": "x"}, "CertFile and KeyFile go together"),
        (
            {"auth_method": {"Type": "approle", "Params": {"role_id": "r"}}},
            "only one of Vault token or Vault auth method can be provided",
        ),
        ({"auth_method": "x"}, "'AuthMethod': expected a map"),
        ({"auth_method": {"Type": "ldap"}}, "auth method 'ldap' is not supported"),
        ({"auth_method": {"Type": "approle"}}, "AuthMethod.Params must have a role_id"),
        ({"token": 1}, "error decoding config: 'Token': expected a text"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(config, text):
    with pytest.raises(Invalid, match=text):
        read(**config)
