import pytest

from proxy.api import ClaimMatch, JwtRequirement
from proxy.core.claims import Json, meets

VERIFIED: dict[str, dict[str, Json]] = {
    "okta": {"sub": "me", "groups": ["a", "b"], "realm": {"roles": ["admin"]}, "age": 5}
}


def requirement(*path: str, value: str = "", provider: str = "okta") -> JwtRequirement:
    claims = (ClaimMatch(path=path, value=value),) if path else ()
    return JwtRequirement(providers=((provider, claims),))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (requirement(), True),
        (requirement(provider="other"), False),
        (requirement("sub", value="me"), True),
        (requirement("sub", value="m"), False),
        (requirement("groups", value="b"), True),
        (requirement("groups", value="c"), False),
        (requirement("realm", "roles", value="admin"), True),
        (requirement("realm", value="roles"), False),
        (requirement("sub", "x", value="me"), False),
        (requirement("missing", value=""), False),
        (requirement("age", value="5"), False),
    ],
)
def test_claims_are_compared(wanted: JwtRequirement, expected: bool) -> None:
    assert expected == meets(wanted, VERIFIED)


def test_all_claims_must_hold() -> None:
    claims = (ClaimMatch(path=("sub",), value="me"), ClaimMatch(path=("groups",), value="c"))

    assert not meets(JwtRequirement(providers=(("okta", claims),)), VERIFIED)


def test_any_provider_is_enough() -> None:
    assert meets(JwtRequirement(providers=(("other", ()), ("okta", ()))), VERIFIED)


def test_no_provider_is_met_by_nobody() -> None:
    assert not meets(JwtRequirement(providers=()), VERIFIED)
