from catalog.acl.rights import (
    ALL_NODES_READ,
    ANONYMOUS_ACCESSOR,
    ANY_SERVICE_WRITE,
    OPERATOR_READ,
    Access,
    Denial,
    Extent,
    Resource,
    Right,
)
from catalog.errors import PermissionDenied

KEY_WRITE = Right(Resource.KEY, Access.WRITE, "app/a")
SERVICE_WRITE = Right(Resource.SERVICE, Access.WRITE, "web")


def test_refusal_says_no_more_than_permission_denied():
    assert Denial(KEY_WRITE).text == "Permission denied"
    assert str(Denial(KEY_WRITE).error()) == "Permission denied"
    assert isinstance(Denial(KEY_WRITE).error(), PermissionDenied)


def test_refusal_can_name_the_right_as_recorded_of_consul():
    on_name = Denial(SERVICE_WRITE).naming_right
    without_name = Denial(OPERATOR_READ).naming_right

    assert on_name == "Permission denied: Missing service:write on web"
    assert without_name == "Permission denied: Missing operator:read permissions"


def test_refusal_can_name_the_token_and_the_right():
    named = Denial(KEY_WRITE, "a1").naming_token
    unnamed = Denial(OPERATOR_READ, "a1").naming_token

    lacks = "Permission denied: token with AccessorID 'a1' lacks permission"
    assert named == f"{lacks} 'key:write' on \"app/a\""
    assert unnamed == f"{lacks} 'operator:read'"


def test_refusal_of_the_anonymous_token_says_why_there_was_one():
    text = Denial(KEY_WRITE, ANONYMOUS_ACCESSOR).naming_token

    assert text == (
        "Permission denied: anonymous token lacks permission 'key:write' on \"app/a\". The "
        "anonymous token is used implicitly when a request does not specify a token."
    )


def test_refusal_of_many_names_says_which():
    under = Right(Resource.KEY, Access.WRITE, "app/", Extent.UNDER)

    assert Denial(ALL_NODES_READ).naming_token.endswith("'node:read' on \"all nodes\"")
    assert Denial(ANY_SERVICE_WRITE).naming_token.endswith("'service:write' on \"any service\"")
    assert Denial(under).naming_token.endswith("'key:write' on \"app/\"")
