import pytest

from catalog.rows.config_entry import decode_entry, entry_to_json, normalize
from catalog.rows.config_entry.service_intentions import precedence


def permission(**http):
    return {"Name": "w", "Permissions": [{"Action": "allow", "HTTP": http}]}


@pytest.mark.parametrize(
    ("sources", "text"),
    [
        ([{"Name": "a", "Action": "allow"}, permission(PathPrefix="/v1", Methods=["get"])], ""),
        ([], "At least one source is required"),
        ([{"Action": "allow"}], "Sources[0].Name is required"),
        ([{"Name": "a"}], "Sources[0].Action must be set to 'allow' or 'deny'"),
        ([{"Name": "a", "Action": "maybe"}], "Sources[0].Action must be set to 'allow' or 'deny'"),
        (
            [{"Name": "a", "Action": "allow", "Type": "x"}],
            "Sources[0].Type must be set to 'consul'",
        ),
        (
            [{"Name": "a", "Action": "allow", "Description": "d" * 513}],
            "Sources[0].Description exceeds maximum length 512",
        ),
        (
            [{"Name": "a", "Action": "allow"}, {"Name": "a", "Action": "deny"}],
            'Sources[1] defines "a" more than once',
        ),
        (
            [{"Name": "b", "Action": "allow"}, {"Name": "a*", "Action": "allow"}],
            "Sources[1].Name: wildcard character '*' cannot be used with partial values",
        ),
        (
            [permission(PathPrefix="/") | {"Action": "allow"}],
            "Sources[0].Action must be omitted if Permissions are specified",
        ),
        ([permission()], "Sources[0].Permissions[0].HTTP should not be empty"),
        (
            [{"Name": "w", "Permissions": [{"Action": "allow"}]}],
            "Sources[0].Permissions[0].HTTP is required",
        ),
        (
            [{"Name": "w", "Permissions": [{"Action": "x"}]}],
            "Sources[0].Permissions[0].Action must be set to 'allow' or 'deny'",
        ),
        (
            [permission(PathExact="/a", PathRegex="b")],
            "Sources[0].Permissions[0].HTTP should only contain at most one of PathExact, "
            "PathPrefix, or PathRegex.",
        ),
        (
            [permission(PathExact="a")],
            "Sources[0].Permissions[0].HTTP.PathExact doesn't start with '/': \"a\"",
        ),
        (
            [permission(Header=[{"Present": True}])],
            "Sources[0].Permissions[0].HTTP.Header[0] missing required Name field",
        ),
    ],
)
def test_sources_that_contradict_themselves_are_refused(refusal, sources, text):
    assert text == refusal({"Kind": "service-intentions", "Sources": sources})


def test_permissions_need_one_destination(refusal):
    body = {"Kind": "service-intentions", "Name": "*", "Sources": [permission(PathPrefix="/")]}

    assert (
        refusal(body)
        == "Sources[0].Permissions cannot be specified on intentions with wildcarded destinations"
    )


@pytest.mark.parametrize(
    ("source", "destination", "expected"),
    [("a", "b", 9), ("*", "b", 8), ("a", "*", 6), ("*", "*", 5)],
)
def test_precedence_follows_the_table(source, destination, expected):
    assert expected == precedence(source, destination)


def test_sources_are_stored_by_precedence_with_type():
    body = {
        "Kind": "service-intentions",
        "Name": "d",
        "Sources": [{"Name": "*", "Action": "deny"}, {"Name": "w", "Action": "allow"}],
    }

    shown = entry_to_json(normalize(decode_entry(body)))

    assert shown["Sources"] == [
        {"Name": "w", "Action": "allow", "Precedence": 9, "Type": "consul"},
        {"Name": "*", "Action": "deny", "Precedence": 8, "Type": "consul"},
    ]


JWT = {"Providers": [{"Name": "okta", "VerifyClaims": [{"Path": ["a", "b"], "Value": "c"}]}]}


def test_intentions_name_the_providers_of_their_tokens():
    permission_with_token = {
        "Action": "allow",
        "HTTP": {"PathPrefix": "/"},
        "JWT": {"Providers": [{"Name": "auth0"}]},
    }
    body = {
        "Kind": "service-intentions",
        "Name": "d",
        "JWT": JWT,
        "Sources": [{"Name": "w", "Permissions": [permission_with_token]}],
    }

    entry = normalize(decode_entry(body))

    assert {"okta", "auth0"} == entry.jwt_providers
    assert JWT == entry_to_json(entry)["JWT"]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ({"Peer": "*"}, "Sources[0].Peer: cannot use wildcard '*' in peer"),
        (
            {"Peer": "p", "Partition": "q"},
            "Sources[0].Peer: cannot set Peer and Partition at the same time.",
        ),
        (
            {"SamenessGroup": "g"},
            "Sources[0].SamenessGroup: sameness groups are an enterprise-only feature",
        ),
        ({"Partition": "q"}, "Sources[0]: Setting Partition requires Consul Enterprise"),
    ],
)
def test_source_is_of_this_cluster_or_of_one_peer(refusal, source, text):
    sources = [{"Name": "w", "Action": "allow", **source}]

    assert text == refusal({"Kind": "service-intentions", "Sources": sources})


def test_sources_of_one_name_are_told_apart_by_peer(refusal):
    sources = [{"Name": "w", "Action": "allow"}, {"Name": "w", "Peer": "p", "Action": "deny"}]
    body = {"Kind": "service-intentions", "Sources": sources}

    assert "" == refusal(body)
    assert 'Sources[2] defines peer("p") "w" more than once' == refusal(
        {**body, "Sources": [*sources, sources[1]]}
    )


@pytest.mark.parametrize(
    ("jwt", "text"),
    [
        ({"Providers": [{}]}, "JWT.Providers[0].Name is required"),
        (
            {"Providers": [{"Name": "o", "VerifyClaims": [{"Value": "x"}]}]},
            "JWT.Providers[0].VerifyClaims[0].Path should not be empty",
        ),
    ],
)
def test_requirement_of_a_token_names_provider_and_claim(refusal, jwt, text):
    sources = [{"Name": "w", "Action": "allow"}]

    assert text == refusal({"Kind": "service-intentions", "JWT": jwt, "Sources": sources})
