import pytest

from catalog.errors import Invalid
from catalog.rows.query import (
    PreparedQuery,
    QueryDNS,
    QueryFailover,
    QueryService,
    QueryTemplate,
)
from catalog.selection.definition import validate_query

X = QueryService(service="x")
TEMPLATE = QueryTemplate(type="name_prefix_match")


@pytest.mark.parametrize(
    "query",
    [
        PreparedQuery(name="q", service=X, dns=QueryDNS(ttl="10s")),
        PreparedQuery(session="s", service=X),
        PreparedQuery(template=TEMPLATE, service=QueryService(service="${name.full}")),
    ],
)
def test_query_with_what_it_needs_is_accepted(query):
    validate_query(query)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (PreparedQuery(name="q"), "Must provide a Service name to query"),
        (PreparedQuery(service=X), "Must be bound to a session"),
        (
            PreparedQuery(name="q", service=X, dns=QueryDNS(ttl="-1s")),
            "DNS TTL '-1000000000', must be >=0",
        ),
        (
            PreparedQuery(name="q", service=X, dns=QueryDNS(ttl="zzz")),
            "Bad DNS TTL 'zzz': time: invalid duration \"zzz\"",
        ),
        (
            PreparedQuery(
                name="q", service=QueryService(service="x", failover=QueryFailover(nearest_n=-1))
            ),
            "Bad NearestN '-1', must be >= 0",
        ),
        (
            PreparedQuery(name="q", service=QueryService(service="x", node_meta={"bad key": "x"})),
            "Couldn't load metadata pair ('bad key', 'x'): Key contains invalid characters",
        ),
        (
            PreparedQuery(name="q", service=QueryService(service="x", service_meta={"": "x"})),
            "Couldn't load metadata pair ('', 'x'): Key cannot be blank",
        ),
        (
            PreparedQuery(
                name="q", service=QueryService(service="x", service_meta={"k" * 129: ""})
            ),
            f"Couldn't load metadata pair ('{'k' * 129}', ''): "
            "Key is too long (limit: 128 characters)",
        ),
        (
            PreparedQuery(name="q", service=QueryService(service="x", node_meta={"k": "v" * 513})),
            f"Couldn't load metadata pair ('k', '{'v' * 513}'): "
            "Value is too long (limit: 512 characters)",
        ),
        (
            PreparedQuery(
                name="q",
                service=QueryService(service="x", node_meta={str(n): "" for n in range(65)}),
            ),
            "Node metadata cannot contain more than 64 key/value pairs",
        ),
        (
            PreparedQuery(name="q", service=X, token="<hidden>"),
            "Bad Token '<hidden>', it looks like a query definition with a redacted token "
            "was submitted",
        ),
    ],
)
def test_query_that_is_wrong_in_itself_is_refused(query, text):
    with pytest.raises(Invalid) as caught:
        validate_query(query)

    assert f"Invalid prepared query: {text}" == str(caught.value)


def test_template_is_compiled_before_it_is_stored():
    query = PreparedQuery(name="q", service=X, template=QueryTemplate(type="x"))

    with pytest.raises(Invalid, match=r"failed compiling template: Bad Template\.Type 'x'"):
        validate_query(query)
