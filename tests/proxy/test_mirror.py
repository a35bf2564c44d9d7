from proxy.api import Mirror
from proxy.http import Headers, RequestHead
from proxy.mirror import MIRROR_TIMEOUT_S, Copy, begin_copy
from proxy.serving import Record
from tests.proxy.http_world import FACTS, World, route_of


def make(world: World, *, headers: Headers | None = None, **more: object) -> tuple[Copy, Record]:
    fields = {"cluster": "web", "body_bytes_max": 10} | more
    head = RequestHead(
        method=b"POST",
        scheme=b"http",
        authority=b"web",
        target=b"/",
        headers=headers or [],
        has_body=True,
    )
    record = Record(started_s=0.0, facts=FACTS)
    route = route_of(mirror=Mirror(**fields), timeout_s=0.0)  # type: ignore[arg-type]
    copy = begin_copy(world, route, head, record)
    assert copy is not None
    return copy, record


def test_a_copy_is_sent_when_the_request_is_complete():
    world = World()
    copy, record = make(world, headers=[(b"Expect", b"100-continue"), (b"X", b"y")])
    copy.body(b"hi")
    world.advance()
    assert [] == world.web.wires
    copy.end([])
    world.advance()
    text = world.instance().written
    assert text.startswith(b"POST / HTTP/1.1\r\nHost: web\r\nX: y\r\nx-proconsul-mirror: 1\r\n")
    assert text.endswith(b"2\r\nhi\r\n0\r\n\r\n")
    assert ["mirrored"] == record.flags
    world.answer(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
    assert [("n0/web", True)] == world.web.finished


def test_a_copy_that_is_too_large_is_not_sent():
    world = World()
    copy, _ = make(world)
    copy.body(b"12345678901")
    copy.body(b"2")
    copy.end([])
    world.advance()
    assert [] == world.web.wires


def test_a_copy_of_what_was_given_up_is_not_sent():
    world = World()
    copy, _ = make(world)
    copy.cancel()
    copy.end([])
    world.advance()
    assert [] == world.web.wires


def test_a_copy_is_not_waited_for_for_ever():
    world = World()
    copy, _ = make(world)
    copy.end([])
    world.advance(MIRROR_TIMEOUT_S + 0.1)
    assert world.instance().is_aborted
    assert [("n0/web", False)] == world.web.finished


def test_a_copy_that_finds_nobody_harms_nobody():
    for broken in ("overload", "refusing", "none"):
        world = World()
        world.web.overload = "x" if broken == "overload" else ""
        world.web.refusing = {"n0/web"}
        copy, _ = make(world, cluster="none" if broken == "none" else "web")
        copy.end([])
        world.advance()
        assert 0 == world.web.active


def test_only_a_share_is_copied():
    world = World()
    world.randoms = [0.1, 0.2]
    head = RequestHead(method=b"GET", scheme=b"", authority=b"", target=b"/", headers=[])
    record = Record(started_s=0.0, facts=FACTS)
    route = route_of(mirror=Mirror(cluster="web", percent=15.0))
    assert begin_copy(world, route, head, record) is not None
    assert begin_copy(world, route, head, record) is None
