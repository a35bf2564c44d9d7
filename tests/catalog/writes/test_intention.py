"""Source: Consul API, /v1/connect/intentions."""

import pytest

from catalog.commands import ConfigEntryPut, IntentionChange, IntentionVerb
from catalog.errors import Conflict, Invalid
from catalog.rows.config_entry import ServiceIntentions
from catalog.rows.config_entry.service_intentions import SourceIntention
from catalog.rows.intention import Intention
from catalog.tables import CONFIG_ENTRIES

ID = "11111111-2222-3333-4444-555555555555"
NOW = "2026-01-01T00:00:00Z"


def change(verb, source="a", action="allow", **fields):
    intention = Intention(source_name=source, destination_name="x", action=action)
    return IntentionChange(verb=verb, intention=intention, now=NOW, **fields)


def sources(replica):
    entry = replica.store.get(CONFIG_ENTRIES, ("service-intentions", "x"))
    return {source.name: source for source in entry.sources} if entry else None


def test_sources_of_one_destination_do_not_undo_each_other(replica):
    assert replica.do(change(IntentionVerb.UPSERT, "a")) is True
    assert replica.do(change(IntentionVerb.UPSERT, "b", "deny")) is True

    assert {name: source.action for name, source in sources(replica).items()} == {
        "a": "allow",
        "b": "deny",
    }


def test_entry_goes_with_its_last_source(replica):
    replica.do(change(IntentionVerb.UPSERT, "a"))
    replica.do(change(IntentionVerb.UPSERT, "b"))

    replica.do(change(IntentionVerb.DELETE, "a"))
    assert list(sources(replica)) == ["b"]
    replica.do(change(IntentionVerb.DELETE, "b"))
    assert sources(replica) is None


def test_removing_what_is_not_there_changes_nothing(replica):
    replica.do(change(IntentionVerb.UPSERT, "a"))
    index = replica.store.last_index("config-entries")

    assert replica.do(change(IntentionVerb.DELETE, "b")) is True
    assert index == replica.store.last_index("config-entries")


def test_wrong_intention_is_refused_and_nothing_is_stored(replica):
    assert isinstance(replica.apply(change(IntentionVerb.UPSERT, action="maybe")), Invalid)
    assert sources(replica) is None


def test_intention_with_an_id_is_created_replaced_and_removed(replica):
    assert replica.do(change(IntentionVerb.CREATE_BY_ID, id=ID)) == ID
    assert replica.do(change(IntentionVerb.UPDATE_BY_ID, action="deny", id=ID)) == ID
    assert (sources(replica)["a"].action, sources(replica)["a"].legacy_id) == ("deny", ID)

    assert replica.do(change(IntentionVerb.DELETE_BY_ID, id=ID)) is True
    assert sources(replica) is None


@pytest.mark.parametrize(
    ("verb", "what"),
    [(IntentionVerb.UPDATE_BY_ID, "modify"), (IntentionVerb.DELETE_BY_ID, "delete")],
)
def test_unknown_id_is_refused(replica, verb, what):
    refusal = replica.apply(change(verb, id=ID))

    assert isinstance(refusal, Conflict)
    assert f"Cannot {what} non-existent intention: '{ID}'" == str(refusal)


def test_second_intention_of_a_pair_is_refused(replica):
    replica.do(change(IntentionVerb.CREATE_BY_ID, id=ID))

    refusal = replica.apply(change(IntentionVerb.CREATE_BY_ID, id=ID[::-1]))

    assert str(refusal) == 'Sources[1] defines "a" more than once'


def test_users_entry_keeps_the_ids_that_its_sources_had(replica):
    replica.do(change(IntentionVerb.CREATE_BY_ID, id=ID))
    source = SourceIntention(name="a", action="deny", type="consul", precedence=9)

    replica.do(ConfigEntryPut(entry=ServiceIntentions(name="x", sources=(source,))))

    assert (sources(replica)["a"].action, sources(replica)["a"].legacy_id) == ("deny", ID)
