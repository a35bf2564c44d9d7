import pytest

from proxy.core import http2_fields as rules
from proxy.core.http2_frames import StreamFault
from proxy.http import RequestHead, ResponseHead
from tests.proxy.http2_speech import GET

CONNECT = [
    (b":method", b"CONNECT"),
    (b":protocol", b"websocket"),
    *GET[1:],
]


def head(**fields: object) -> RequestHead:
    base = {"method": b"GET", "scheme": b"http", "authority": b"web", "target": b"/", "headers": []}
    return RequestHead(**{**base, **fields})


def test_a_request_is_read():
    read = rules.read_request([*GET, (b"accept", b"*/*"), (b"content-length", b"3")])

    headers = [(b"accept", b"*/*"), (b"content-length", b"3")]
    assert head(headers=headers, version="2") == read
    assert 3 == rules.content_length(headers)
    assert -1 == rules.content_length([])


def test_host_stands_in_for_the_authority_and_is_taken_out():
    fields = [field for field in GET if field[0] != b":authority"]

    assert b"other" == rules.read_request([*fields, (b"host", b"other")]).authority
    assert [] == rules.read_request([*GET, (b"host", b"web")]).headers


def test_cookie_crumbs_are_joined():
    read = rules.read_request([*GET, (b"cookie", b"a=1"), (b"x", b"y"), (b"cookie", b"b=2")])

    assert [(b"x", b"y"), (b"cookie", b"a=1; b=2")] == read.headers


def test_a_websocket_is_a_get_with_a_key_that_http1_needs():
    read = rules.read_request([*CONNECT, (b"sec-websocket-version", b"13")])

    assert (b"GET", b"websocket") == (read.method, read.upgrade)
    assert 24 == len(dict(read.headers)[b"sec-websocket-key"])


def test_a_plain_connect_is_read_without_a_target():
    read = rules.read_request([(b":method", b"CONNECT"), (b":authority", b"web:1")])

    assert (b"CONNECT", b"*", b"") == (read.method, read.target, read.upgrade)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([(b":method", b"CONNECT"), (b":authority", b"web:22")], 501),
        ([CONNECT[0], (b":protocol", b"h2c"), *GET[1:]], 501),
        ([CONNECT[0], (b":protocol", b"connect-udp"), *GET[1:]], 501),
        (CONNECT, None),
        (GET, None),
    ],
)
def test_no_tunnel_but_that_of_a_websocket_is_offered(fields, status):
    refusal = rules.refusal(rules.read_request(fields))

    assert status == (refusal[0] if refusal else None)


def test_an_asterisk_is_a_target_of_options_alone():
    asterisk = [*GET[1:3], (b":path", b"*")]

    assert b"*" == rules.read_request([(b":method", b"OPTIONS"), *asterisk]).target
    with pytest.raises(StreamFault):
        rules.read_request([GET[0], *asterisk])


def test_expect_is_told():
    assert rules.read_request([*GET, (b"expect", b"100-Continue")]).expects_continue
    assert not rules.read_request(GET).expects_continue


def test_a_request_is_sent_without_what_is_of_http1_connections():
    headers = [
        (b"Connection", b"close"),
        (b"Keep-Alive", b"5"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Upgrade", b"h2c"),
        (b"HTTP2-Settings", b"x"),
        (b"Trailer", b"x"),
        (b"Host", b"other"),
        (b"TE", b"gzip"),
        (b"X-A", b"B"),
        (b"te", b"trailers"),
    ]

    assert [*GET, (b"trailer", b"x"), (b"x-a", b"B"), (b"te", b"trailers")] == rules.request_fields(
        head(headers=headers)
    )


def test_who_waits_for_100_says_so():
    said = [*GET, (b"expect", b"100-continue")]

    assert said == rules.request_fields(head(expects_continue=True))
    assert said == rules.request_fields(head(expects_continue=True, headers=[said[-1]]))


def test_a_websocket_is_sent_as_extended_connect_without_its_key():
    headers = [(b"Sec-WebSocket-Key", b"x"), (b"Sec-WebSocket-Version", b"13")]

    fields = rules.request_fields(head(upgrade=b"websocket", headers=headers))

    assert [*CONNECT, (b"sec-websocket-version", b"13")] == fields


def test_the_digest_of_a_key_is_that_of_rfc_6455():
    key = [(b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ==")]

    assert [(b"sec-websocket-accept", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")] == rules.websocket_accept(
        key
    )
    assert [] == rules.websocket_accept([])


def test_an_answer_is_read_and_sent():
    fields = [(b":status", b"404"), (b"x-a", b"b")]

    read = rules.read_response(fields)

    assert ResponseHead(status=404, headers=[(b"x-a", b"b")], version="2") == read
    assert fields == rules.response_fields(read)


def test_an_accepted_upgrade_is_a_200_without_the_digest():
    accepted = ResponseHead(
        status=101,
        headers=[(b"Sec-WebSocket-Accept", b"x"), (b"Upgrade", b"websocket"), (b"a", b"b")],
    )

    assert [(b":status", b"200"), (b"a", b"b")] == rules.switch_fields(accepted)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [(b":status", b"101")],
        [(b":status", b"20")],
        [(b":status", b"2000")],
        [(b":status", b"200"), (b":status", b"200")],
        [(b":status", b"200"), (b":path", b"/")],
        [(b":status", b"200"), (b"connection", b"close")],
        [(b":status", b"200"), (b"A", b"b")],
    ],
)
def test_a_malformed_answer_is_a_fault(fields):
    with pytest.raises(StreamFault):
        rules.read_response(fields)


def test_trailers_carry_no_framing():
    trailers = [(b"content-length", b"1"), (b"te", b"trailers"), (b"grpc-status", b"0")]

    assert trailers[2:] == rules.read_trailers(trailers)
    assert trailers[2:] == rules.trailer_fields([(name.upper(), v) for name, v in trailers])


def test_trailers_have_no_pseudo_headers():
    with pytest.raises(StreamFault):
        rules.read_trailers([(b":path", b"/")])


@pytest.mark.parametrize("value", [b"", b"-1", b"+1", b"1,1", b"0x1", b"1" * 19])
def test_a_content_length_is_digits(value):
    with pytest.raises(StreamFault):
        rules.content_length([(b"content-length", value)])


def test_two_content_lengths_must_be_one():
    assert 5 == rules.content_length([(b"content-length", b"5")] * 2)
    with pytest.raises(StreamFault):
        rules.content_length([(b"content-length", b"5"), (b"content-length", b"6")])
