"""Which prepared query answers for a name."""

from collections.abc import Iterable

from catalog.rows.query import PreparedQuery
from catalog.selection.template import compile_template


def find_query(
    name: str, named: PreparedQuery | None, templates: Iterable[PreparedQuery]
) -> PreparedQuery | None:
    """The query for a name, unrendered.

    ``named`` is the query of exactly that name, which wins unless it is a template; then the
    template with the longest name that ``name`` starts with. A template without a name takes all.
    Names are compared without regard to case.
    """
    if named is not None and not named.template.type:
        return named
    wanted = name.lower()
    fitting = [query for query in templates if wanted.startswith(query.name.lower())]
    return max(fitting, key=lambda query: len(query.name), default=None)


def render_query(query: PreparedQuery, name: str, agent_segment: str = "") -> PreparedQuery:
    """A found query as it is executed and explained: a template with its texts replaced."""
    if not query.template.type:
        return query
    return compile_template(query).render(name, agent_segment)
