"""The table of endpoints."""

from agent.rpc.endpoints.query import QueryExecute, QueryExecuteRemote, QueryOutcome
from agent.rpc.request import ReadRequest, WriteRequest
from agent.rpc.table import BY_REQUEST, ENDPOINTS, ReadEndpoint, reply_type


def test_names_and_requests_are_used_once():
    assert len({endpoint.name for endpoint in ENDPOINTS}) == len(ENDPOINTS) == len(BY_REQUEST)


def test_reads_take_read_requests_and_all_others_write_requests():
    for endpoint in ENDPOINTS:
        kind = ReadRequest if isinstance(endpoint, ReadEndpoint) else WriteRequest
        assert issubclass(endpoint.request, kind)
        assert BY_REQUEST[endpoint.request] is endpoint


def test_every_endpoint_says_what_it_is():
    assert {endpoint.name for endpoint in ENDPOINTS if not endpoint.run.__doc__} == set()


def test_a_reply_is_of_one_type_though_a_query_may_be_asked_elsewhere():
    for request in (QueryExecute, QueryExecuteRemote):
        assert reply_type(BY_REQUEST[request]) is QueryOutcome
