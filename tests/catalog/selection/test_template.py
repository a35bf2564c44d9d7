import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import Invalid
from catalog.rows.query import PreparedQuery, QueryFailover, QueryService, QueryTemplate
from catalog.selection.template import compile_template


def template(service, regexp="", **fields):
    return PreparedQuery(
        name="geo-",
        template=QueryTemplate(
            type="name_prefix_match",
            regexp=regexp,
            remove_empty_tags=fields.pop("remove_empty_tags", False),
        ),
        service=QueryService(service=service, **fields),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("${name.full}", "geo-web-v1"),
        ("${ name.suffix }!", "web-v1!"),
        ("${name.prefix}${name.suffix}", "geo-web-v1"),
        ("${match(0)}", "geo-web-v1"),
        ("${match(1)}/${match(2)}", "web/v1"),
        ("${match(3)}${match(-1)}", ""),
        ("${agent.segment}", "seg"),
        ("$${name.full}", "${name.full}"),
        ('${"text"}', "text"),
        ("$5 {a}", "$5 {a}"),
    ],
)
def test_texts_are_replaced(text, expected):
    compiled = compile_template(template(text, r"^geo-(.*)-([^\-]+)$"))

    assert expected == compiled.render("geo-web-v1", "seg").service.service


def test_without_a_match_groups_are_empty():
    assert compile_template(template("x${match(0)}", "^a$")).render("geo-b").service.service == "x"
    assert compile_template(template("x${match(0)}")).render("geo-b").service.service == "x"


def test_every_text_of_the_service_is_replaced():
    query = template(
        "a",
        near="${name.suffix}",
        tags=("${name.suffix}", "!b"),
        ignore_check_ids=("${name.full}",),
        node_meta={"k": "${name.suffix}"},
        service_meta={"k": "${name.prefix}"},
        failover=QueryFailover(datacenters=("${name.suffix}",)),
    )

    service = compile_template(query).render("geo-x").service

    assert service.near == "x"
    assert service.tags == ("x", "!b")
    assert service.ignore_check_ids == ("geo-x",)
    assert service.node_meta == {"k": "x"}
    assert service.service_meta == {"k": "geo-"}
    assert service.failover.datacenters == ("x",)


def test_empty_tags_go_only_if_asked():
    tags = ("${match(1)}", "a")

    kept = compile_template(template("x", tags=tags)).render("geo-x")
    dropped = compile_template(template("x", tags=tags, remove_empty_tags=True)).render("geo-x")

    assert kept.service.tags == ("", "a")
    assert dropped.service.tags == ("a",)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("${name.full", "Bad format '${name.full' in Service.Service: 1:12: "),
        ("${", "Bad format '${' in Service.Service: 1:3: "),
        ("${}", "expected }"),
        ("${name.nope}", "unknown variable accessed: name.nope"),
        ("${upper(1)}", "unknown function called: upper"),
        ("${match(x)}", "expected }"),
    ],
)
def test_bad_syntax_is_refused(text, reason):
    with pytest.raises(Invalid) as caught:
        compile_template(template(text))

    assert str(caught.value).startswith("failed compiling template: Bad format ")
    assert reason in str(caught.value)


def test_bad_regular_expression_is_refused():
    with pytest.raises(Invalid, match="failed compiling template: Bad Regexp: "):
        compile_template(template("x", "("))


@given(st.text(max_size=20))
def test_any_text_is_compiled_or_refused(text):
    try:
        compiled = compile_template(template(text))
    except Invalid:
        return
    rendered = compiled.render("geo-x").service.service
    assert "${" in text or text == rendered
