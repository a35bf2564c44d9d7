from catalog.rows.query import PreparedQuery, QueryService, QueryTemplate
from catalog.selection.lookup import find_query, render_query

TYPE = QueryTemplate(type="name_prefix_match")
ALL = PreparedQuery(id="1", template=TYPE, service=QueryService(service="${name.suffix}"))
GEO = PreparedQuery(id="2", name="geo-", template=TYPE, service=QueryService(service="g"))
GEO_DB = PreparedQuery(id="3", name="Geo-DB", template=TYPE, service=QueryService(service="d"))
STATIC = PreparedQuery(id="4", name="geo-db-1", service=QueryService(service="s"))
TEMPLATES = (ALL, GEO_DB, GEO)


def test_exact_name_wins():
    assert find_query("geo-db-1", STATIC, TEMPLATES) == STATIC


def test_longest_prefix_wins_without_regard_to_case():
    assert find_query("geo-db-2", None, TEMPLATES) == GEO_DB
    assert find_query("geo-x", None, TEMPLATES) == GEO
    assert find_query("geo-db", GEO_DB, TEMPLATES) == GEO_DB


def test_template_without_a_name_takes_the_rest():
    assert find_query("other", None, TEMPLATES) == ALL
    assert find_query("other", None, ()) is None


def test_only_templates_are_rendered():
    assert STATIC is render_query(STATIC, "geo-db-1")
    assert render_query(ALL, "other").service.service == "other"
