"""The answer's JSON."""

from agent.mesh.explain_answer import CertificateSeen, Explanation, GroupSeen, RouteTaken, Share
from catalog.duration import SECOND
from catalog.shape import to_json


def test_names_are_the_apis_and_durations_are_text() -> None:
    group = GroupSeen(target="t", in_use=True, peer_uris=("spiffe://x",))
    share = Share(
        percent=100.0,
        cluster="c",
        node="n",
        service="s",
        datacenter="dc1",
        balance="random",
        connect_timeout=5 * SECOND,
        groups=(group,),
    )
    shown = to_json(
        Explanation(
            source="a",
            destination="b",
            datacenter="dc1",
            route=RouteTaken(name="r", timeout=SECOND, timeout_from="default"),
            shares=(share,),
            certificate=CertificateSeen(uri="spiffe://a"),
        )
    )

    assert "1s" == shown["Route"]["Timeout"]
    assert "5s" == shown["Shares"][0]["ConnectTimeout"]
    assert ["spiffe://x"] == shown["Shares"][0]["Groups"][0]["PeerURIs"]
    assert {"URI": "spiffe://a", "Local": False} == shown["Certificate"]
    assert "Notes" not in shown
