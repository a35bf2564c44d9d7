from typing import Any

import pytest

from catalog.commands import QueryDelete, QueryPut
from catalog.errors import Conflict, Invalid
from catalog.rows.query import PreparedQuery, QueryService, QueryTemplate
from catalog.tables import QUERIES
from tests.catalog.replica import Replica, contents

TEMPLATE = QueryTemplate(type="name_prefix_match")


def put(replica: Replica, query_id: str, *, create: bool = True, **fields: Any) -> Any:
    query = PreparedQuery(id=query_id, service=QueryService(service="web"), **fields)
    return replica.apply(QueryPut(query=query, create=create))


def test_new_query_gives_its_id_and_has_its_indexes(replica: Replica) -> None:
    assert put(replica, "q", name="a") == "q"

    (stored,) = replica.store.all(QUERIES)
    assert (stored.create_index, stored.modify_index) == (1, 1)
    assert replica.store.last_index("prepared-queries") == 1


def test_replaced_query_keeps_its_create_index_and_name(replica: Replica) -> None:
    put(replica, "q", name="a")

    assert put(replica, "q", create=False, name="a", token="t") == "q"

    (stored,) = replica.store.all(QUERIES)
    assert (stored.create_index, stored.modify_index, stored.token) == (1, 2, "t")


@pytest.mark.parametrize(
    ("fields", "refusal", "reason"),
    [
        ({"name": "Taken"}, Conflict, "name 'Taken' aliases an existing query name"),
        ({"name": "q"}, Conflict, "name 'q' aliases an existing query ID"),
        ({"session": "gone"}, Invalid, 'invalid session "gone"'),
    ],
)
def test_query_is_refused(
    replica: Replica, fields: dict[str, str], refusal: type[Exception], reason: str
) -> None:
    put(replica, "q", name="taken")
    before = contents(replica.store)

    result = put(replica, "other", **fields)

    assert isinstance(result, refusal)
    assert reason == str(result)
    assert before == contents(replica.store)


def test_template_for_every_name_exists_only_once(replica: Replica) -> None:
    assert put(replica, "q", template=TEMPLATE) == "q"

    assert isinstance(put(replica, "other", template=TEMPLATE), Conflict)
    assert put(replica, "q", create=False, template=TEMPLATE) == "q"


def test_queries_bound_to_sessions_may_be_nameless(replica: Replica) -> None:
    replica.register("n")
    replica.begin("s")

    assert put(replica, "a", session="s") == "a"
    assert put(replica, "b", session="s") == "b"


@pytest.mark.parametrize("create", [True, False])
def test_unknown_query_is_neither_replaced_nor_deleted(replica: Replica, create: bool) -> None:
    reason = "Cannot modify non-existent prepared query: 'none'"

    result = replica.apply(QueryDelete(id="none")) if create else put(replica, "none", create=False)

    assert isinstance(result, Conflict)
    assert reason == str(result)


def test_deleted_query_is_gone(replica: Replica) -> None:
    put(replica, "q", name="a")

    assert replica.do(QueryDelete(id="q")) is True

    assert replica.store.all(QUERIES) == []
    assert replica.store.last_index("prepared-queries") == 2
