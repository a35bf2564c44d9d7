import pytest

from catalog.chain.errors import GraphError
from catalog.chain.needs import check_mutual_tls, check_providers

PROVIDER = {
    "Kind": "jwt-provider",
    "Name": "okta",
    "JSONWebKeySet": {"Local": {"JWKS": "e30="}},
}
INTENTION = {
    "Kind": "service-intentions",
    "Name": "web",
    "JWT": {"Providers": [{"Name": "okta"}]},
    "Sources": [{"Name": "a", "Action": "allow"}],
}
PERMISSIVE = {"Kind": "service-defaults", "Name": "web", "MutualTLSMode": "permissive"}
ALLOWED = {"Kind": "mesh", "AllowEnablingPermissiveMutualTLS": True}


def test_intention_with_its_provider_is_accepted(entries):
    check_providers(entries(PROVIDER, INTENTION), "service-intentions", "web")
    check_providers(entries(PROVIDER, INTENTION), "jwt-provider", "okta")
    check_providers(entries(), "jwt-provider", "okta")


def test_intention_without_its_provider_is_refused(entries):
    with pytest.raises(GraphError) as caught:
        check_providers(entries(INTENTION), "service-intentions", "web")

    assert (
        "1 error occurred:\n\t* Referenced JWT Provider does not exist. Provider Name: okta\n\n"
        == str(caught.value)
    )


def test_provider_that_an_intention_names_stays(entries):
    with pytest.raises(GraphError, match=r"Provider name: okta, intention name: web$"):
        check_providers(entries(INTENTION), "jwt-provider", "okta")


def test_change_to_permissive_needs_the_mesh_to_allow_it(entries):
    change = ("service-defaults", "web")
    (before,) = entries(PERMISSIVE)

    check_mutual_tls(entries(PERMISSIVE, ALLOWED), *change, None)
    check_mutual_tls(entries(PERMISSIVE), *change, before)
    with pytest.raises(GraphError, match=r"^cannot set MutualTLSMode=permissive because"):
        check_mutual_tls(entries(PERMISSIVE), *change, None)
