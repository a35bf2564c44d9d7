"""Which tokens are asked for, and how they are checked."""

from base64 import b64encode

from agent.mesh.snapshot_tokens import LOCATIONS_DEFAULT, providers, requirement
from agent.mesh.watch_questions import KeySet, TextFile
from catalog.duration import SECOND
from catalog.rows.config_entry.jwt_provider import (
    Forwarding,
    JWTProvider,
    LocalKeys,
    RemoteKeys,
    TokenHeader,
    TokenLocation,
    TokenPlace,
)
from catalog.rows.config_entry.jwt_provider import KeySet as KeySetRow
from catalog.rows.config_entry.service_intentions import (
    ClaimVerification,
    JWTProviderUse,
    JWTRequirement,
)
from proxy.api import ClaimMatch, JwtLocation, JwtProvider, JwtRequirement
from tests.agent.mesh.world import World

KEYS = '{"keys":[]}'
LOCAL = KeySetRow(local=LocalKeys(jwks=b64encode(KEYS.encode()).decode()))
OKTA = JwtRequirement(providers=(("okta", ()),))


def provider(world: World) -> JwtProvider:
    (found,) = providers([OKTA, None, OKTA], world.answers())
    return found


def test_claims_of_a_requirement_are_kept() -> None:
    claim = ClaimVerification(path=("roles", "web"), value="admin")
    row = JWTRequirement(providers=(JWTProviderUse(name="okta", verify_claims=(claim,)),))

    expected = (("okta", (ClaimMatch(path=("roles", "web"), value="admin"),)),)
    assert JwtRequirement(providers=expected) == requirement(row)


def test_no_provider_is_no_requirement() -> None:
    assert requirement(None) is None
    assert requirement(JWTRequirement()) is None


def test_keys_are_those_of_the_entry() -> None:
    entry = JWTProvider(name="okta", issuer="i", audiences=("a",), json_web_key_set=LOCAL)

    found = provider(World(entry))

    assert (KEYS, "i", ("a",), 30.0) == (
        found.keys,
        found.issuer,
        found.audiences,
        found.clock_skew_s,
    )
    assert LOCATIONS_DEFAULT == found.locations


def test_keys_of_a_file_or_a_url_are_asked_for() -> None:
    in_file = KeySetRow(local=LocalKeys(filename="/keys.json"))
    remote = KeySetRow(
        remote=RemoteKeys(uri="http://keys", cache_duration=60 * SECOND, request_timeout_ms=500)
    )

    for row, question in (
        (in_file, TextFile("/keys.json")),
        (remote, KeySet("http://keys", cache_s=60.0, timeout_s=0.5)),
    ):
        world = World(JWTProvider(name="okta", json_web_key_set=row))
        assert "" == provider(world).keys
        assert KEYS == provider(world.knows(question, KEYS)).keys


def test_places_of_a_token_and_the_header_of_its_claims_are_kept() -> None:
    entry = JWTProvider(
        name="okta",
        json_web_key_set=LOCAL,
        locations=(
            TokenLocation(header=TokenHeader(name="X-T", value_prefix="T ", forward=True)),
            TokenLocation(query_param=TokenPlace(name="t")),
            TokenLocation(cookie=TokenPlace(name="c")),
        ),
        forwarding=Forwarding(header_name="X-Claims", pad_forward_payload_header=True),
    )

    found = provider(World(entry))

    assert (
        JwtLocation(header="X-T", value_prefix="T ", forward=True),
        JwtLocation(query_param="t"),
        JwtLocation(cookie="c"),
    ) == found.locations
    assert ("X-Claims", True) == (found.forward_header, found.pad_forward_header)


def test_a_provider_that_nobody_knows_is_left_out() -> None:
    assert () == providers([OKTA], World().answers())


def test_a_provider_without_keys_has_none() -> None:
    assert "" == provider(World(JWTProvider(name="okta"))).keys
    empty = JWTProvider(name="okta", json_web_key_set=KeySetRow())
    assert "" == provider(World(empty)).keys
