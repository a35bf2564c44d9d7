import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.chain.compile import compile_chain
from catalog.chain.entries import ChainEntries
from catalog.chain.errors import GraphError
from catalog.chain.graph import check_graph
from catalog.chain.shaping import next_nodes, targets_of
from catalog.errors import Invalid
from catalog.rows.config_entry import ConfigEntry, decode_entry, normalize, validate

HTTP = {"Kind": "service-defaults", "Name": "web", "Protocol": "http"}
TCP = {"Kind": "service-defaults", "Name": "web", "Protocol": "tcp"}
ROUTER = {
    "Kind": "service-router",
    "Name": "web",
    "Routes": [{"Match": {"HTTP": {"PathExact": "/a"}}}],
}
TO_WEB = {
    "Kind": "service-resolver",
    "Name": "old",
    "Redirect": {"Service": "web", "ServiceSubset": "v1"},
}
SUBSETS = {"Kind": "service-resolver", "Name": "web", "Subsets": {"v1": {}}}
INGRESS = {
    "Kind": "ingress-gateway",
    "Name": "edge",
    "Listeners": [{"Port": 80, "Protocol": "http", "Services": [{"Name": "web"}]}],
}
L7 = {
    "Kind": "service-intentions",
    "Name": "web",
    "Sources": [{"Name": "a", "Permissions": [{"Action": "allow", "HTTP": {"PathPrefix": "/"}}]}],
}
TERMINATING = {"Kind": "terminating-gateway", "Name": "edge"}
BLANK = {"Kind": "service-defaults", "Name": "web"}
BLANK_IS_TCP = {"Kind": "mesh", "BlankProtocolIsTCP": True}
MIRROR = {
    "Kind": "service-router",
    "Name": "web",
    "Routes": [{"Destination": {"Mirror": {"Service": "shadow"}}}],
}
HTTP_FOR_ALL = {"Kind": "proxy-defaults", "Name": "global", "Config": {"protocol": "http"}}


@pytest.mark.parametrize(
    ("bodies", "changed"),
    [
        ([HTTP, ROUTER], ("service-router", "web")),
        ([HTTP_FOR_ALL, ROUTER], ("proxy-defaults", "global")),
        ([SUBSETS, TO_WEB], ("service-resolver", "old")),
        ([HTTP, INGRESS], ("ingress-gateway", "edge")),
        ([HTTP, L7], ("service-intentions", "web")),
        ([], ("service-router", "web")),
        ([TERMINATING], ("terminating-gateway", "edge")),
        ([HTTP_FOR_ALL, BLANK, ROUTER], ("service-router", "web")),
        ([HTTP, MIRROR, HTTP_FOR_ALL], ("service-router", "web")),
    ],
)
def test_entries_that_fit_are_accepted(entries, bodies, changed):
    check_graph(entries(*bodies), *changed)


@pytest.mark.parametrize(
    ("bodies", "changed", "text"),
    [
        (
            [ROUTER],
            ("service-router", "web"),
            'discovery chain "web" uses a protocol "tcp" that does not permit advanced routing '
            "or splitting behavior",
        ),
        (
            [ROUTER],
            ("service-defaults", "web"),
            'discovery chain "web" uses a protocol "tcp" that does not permit advanced routing '
            "or splitting behavior",
        ),
        (
            [ROUTER],
            ("proxy-defaults", "global"),
            'discovery chain "web" uses a protocol "tcp" that does not permit advanced routing '
            "or splitting behavior",
        ),
        (
            [HTTP_FOR_ALL, BLANK, ROUTER, BLANK_IS_TCP],
            ("mesh", "mesh"),
            'discovery chain "web" uses a protocol "tcp" that does not permit advanced routing '
            "or splitting behavior",
        ),
        (
            [HTTP, MIRROR],
            ("service-defaults", "shadow"),
            'discovery chain "web" uses inconsistent protocols; service "shadow" has "tcp" which '
            'is not "http"',
        ),
        # Another service's chain leads here.
        (
            [TO_WEB],
            ("service-resolver", "web"),
            'service "web" does not have a subset named "v1"',
        ),
        (
            [TCP, INGRESS],
            ("service-defaults", "web"),
            'service "web" has protocol "tcp", which is incompatible with listener protocol "http"',
        ),
        (
            [INGRESS],
            ("ingress-gateway", "edge"),
            'service "web" has protocol "tcp", which is incompatible with listener protocol "http"',
        ),
        (
            [L7],
            ("service-intentions", "web"),
            'service "web" has protocol "tcp", which is incompatible with L7 '
            "intentions permissions",
        ),
        (
            [HTTP, INGRESS, TERMINATING],
            ("terminating-gateway", "edge"),
            'cannot create a "terminating-gateway" config entry with name "edge", a '
            '"ingress-gateway" config entry with that name already exists',
        ),
    ],
)
def test_change_that_spoils_a_chain_is_refused(entries, bodies, changed, text):
    with pytest.raises(GraphError) as caught:
        check_graph(entries(*bodies), *changed)

    assert text == str(caught.value)


def test_names_are_compared_without_regard_to_case(entries):
    shouting = {**L7, "Name": "WEB"}

    with pytest.raises(GraphError, match=r'^service "WEB" has protocol "tcp"'):
        check_graph(entries(TCP, shouting), "service-defaults", "web")


SERVICES = ("a", "b", "c")
_service = st.sampled_from(("", *SERVICES))
_subset = st.sampled_from(("", "v1", "v2"))
_place = st.fixed_dictionaries({"Service": _service, "ServiceSubset": _subset})
_bodies = st.one_of(
    st.fixed_dictionaries(
        {
            "Kind": st.just("service-defaults"),
            "Name": st.sampled_from(SERVICES),
            "Protocol": st.sampled_from(("", "tcp", "http")),
        }
    ),
    st.fixed_dictionaries(
        {
            "Kind": st.just("service-router"),
            "Name": st.sampled_from(SERVICES),
            "Routes": st.lists(
                st.fixed_dictionaries(
                    {
                        "Destination": st.fixed_dictionaries(
                            {"Service": _service, "ServiceSubset": _subset},
                            optional={"Mirror": _place},
                        )
                    }
                ),
                max_size=2,
            ),
        }
    ),
    st.fixed_dictionaries(
        {
            "Kind": st.just("service-splitter"),
            "Name": st.sampled_from(SERVICES),
            "Splits": st.lists(_place, min_size=2, max_size=2).map(
                lambda places: [{**place, "Weight": 50} for place in places]
            ),
        }
    ),
    st.fixed_dictionaries(
        {"Kind": st.just("service-resolver"), "Name": st.sampled_from(SERVICES)},
        optional={
            "DefaultSubset": _subset,
            "Subsets": st.just({"v1": {}}),
            "Redirect": _place,
            "Failover": st.fixed_dictionaries(
                {"*": st.fixed_dictionaries({"Targets": st.lists(_place, min_size=1, max_size=2)})}
            ),
        },
    ),
    st.just(HTTP_FOR_ALL),
    st.just(BLANK_IS_TCP),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(_bodies, st.booleans()), max_size=12))
def test_after_accepted_changes_every_chain_compiles_whatever_is_refused(changes):
    stored: dict[tuple[str, str], ConfigEntry] = {}
    for body, removed in changes:
        entry = normalize(decode_entry(body))
        key = (entry.kind, entry.name)
        after = {**stored, key: entry}
        if removed:
            del after[key]
        try:
            validate(entry)
            check_graph(after.values(), *key, stored.get(key))
        except Invalid:
            continue
        stored = after

    lookup = ChainEntries.of(stored.values())
    for service in SERVICES:
        chain = compile_chain(service, "dc1", "t.consul", lookup)
        named = {key for node in chain.nodes.values() for key in next_nodes(node)}
        assert set(chain.targets) == set(targets_of(chain.nodes))
        assert named <= set(chain.nodes)
