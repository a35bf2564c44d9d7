import pytest

from catalog.chain.errors import GraphError
from catalog.chain.graph import check_graph

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
