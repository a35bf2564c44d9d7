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
