from hypothesis import given
from hypothesis import strategies as st

from catalog.acl.levels import Levels
from catalog.acl.rights import Access, Extent

ACCESS = st.sampled_from(Access)
ASKED = st.sampled_from([Access.READ, Access.LIST, Access.WRITE])
# Few letters, so that names are prefixes of each other; one sorts beside, one above all of ASCII.
NAMES = st.text("ab/é", max_size=5)
TABLES = st.dictionaries(NAMES, ACCESS, max_size=8)


def level_in_words(exact, prefixes, unruled, name):
    """The exact rule beats everything; else the longest matching prefix; else the default."""
    if name in exact:
        return exact[name]
    matching = [prefix for prefix in prefixes if name.startswith(prefix)]
    return prefixes[max(matching, key=len)] if matching else unruled


@given(TABLES, TABLES, ACCESS, NAMES)
def test_level_is_what_the_words_say(exact, prefixes, unruled, name):
    levels = Levels(exact, prefixes, unruled=unruled)

    assert level_in_words(exact, prefixes, unruled, name) == levels.level(name)


@given(TABLES, TABLES, ACCESS, ASKED, NAMES, st.lists(NAMES, max_size=5))
def test_tree_that_may_be_written_holds_no_name_that_may_not(
    exact, prefixes, unruled, access, start, ends
):
    levels = Levels(exact, prefixes, unruled=unruled)

    if levels.allows(access, start, Extent.UNDER):
        below = [start + end for end in ends] + [n for n in exact if n.startswith(start)]
        assert all(levels.level(name) >= access for name in below)


@given(TABLES, TABLES, ACCESS, ASKED, NAMES)
def test_tree_is_refused_for_its_start_or_for_a_rule_below(exact, prefixes, unruled, access, start):
    levels = Levels(exact, prefixes, unruled=unruled)
    base = level_in_words({}, prefixes, unruled, start)
    below = [level for n, level in [*exact.items(), *prefixes.items()] if n.startswith(start)]

    expected = base >= access and all(level >= access for level in below)
    assert expected == levels.allows(access, start, Extent.UNDER)


@given(TABLES, TABLES, ACCESS, ASKED, NAMES)
def test_all_holds_for_each_name_and_each_name_for_any(exact, prefixes, unruled, access, name):
    levels = Levels(exact, prefixes, unruled=unruled)

    is_allowed = levels.allows(access, name, Extent.ONE)
    if levels.allows(access, "", Extent.ALL):
        assert is_allowed
    if is_allowed:
        assert levels.allows(access, "", Extent.ANY)


def test_any_needs_one_rule_that_grants_it_or_a_default_that_does():
    granted = Levels({"a": Access.WRITE}, {"": Access.DENY}, unruled=Access.DENY)
    refused = Levels({"a": Access.READ}, {"": Access.READ}, unruled=Access.WRITE)
    by_default = Levels({"a": Access.DENY}, {}, unruled=Access.WRITE)

    assert granted.allows(Access.WRITE, "", Extent.ANY)
    assert not refused.allows(Access.WRITE, "", Extent.ANY)
    assert by_default.allows(Access.WRITE, "", Extent.ANY)


def test_all_needs_a_rule_for_every_name_and_none_that_says_less():
    everywhere = Levels({"a": Access.WRITE}, {"": Access.READ}, unruled=Access.DENY)
    all_but_one = Levels({"a": Access.DENY}, {"": Access.READ}, unruled=Access.DENY)
    somewhere = Levels({}, {"a": Access.READ}, unruled=Access.DENY)

    assert everywhere.allows(Access.READ, "", Extent.ALL)
    assert not all_but_one.allows(Access.READ, "", Extent.ALL)
    assert not somewhere.allows(Access.READ, "", Extent.ALL)
