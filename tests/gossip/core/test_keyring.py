"""Serf's key manager: install, use, remove, list as internal queries."""

import base64

import pytest

from gossip.core.effects import Completed, KeyringAnswer, KeyringChanged
from gossip.core.inputs import ChangeKeyring
from gossip.core.keyring import changed_keys
from gossip.core.types import KeyRequest, KeyResponse, Query, QueryFlag, QueryResponse
from tests.gossip.core.solo import PAYLOADS, Solo, address, only, said, sent

ONE, TWO = b"1" * 16, b"2" * 32


def asked(action: str, payload: bytes) -> Query:
    return Query(5, 77, address(9), "z", (), QueryFlag.NONE, 0, 10**10, f"_serf_{action}", payload)


def reply(one: Solo, action: str, key: bytes = b"") -> KeyResponse:
    effects = one.hear_cluster(asked(action, PAYLOADS.encode(KeyRequest(key))))
    return PAYLOADS.decode(sent(effects, QueryResponse)[0][1].payload)


@pytest.mark.parametrize(
    ("keys", "action", "key", "error", "after"),
    [
        ((ONE,), "install", TWO, "", (ONE, TWO)),
        ((ONE, TWO), "install", TWO, "", (ONE, TWO)),
        ((ONE, TWO), "use", TWO, "", (TWO, ONE)),
        ((ONE,), "use", TWO, "requested key is not in the keyring", (ONE,)),
        ((ONE, TWO), "remove", TWO, "", (ONE,)),
        ((ONE,), "remove", TWO, "", (ONE,)),
        ((ONE, TWO), "remove", ONE, "removing the primary key is not allowed", (ONE, TWO)),
        ((ONE,), "install", b"short", "key size must be 16, 24 or 32 bytes", (ONE,)),
        ((), "install", ONE, "encryption is not enabled", ()),
    ],
)
def test_rules_of_the_keyring(keys, action, key, error, after):
    assert (error, after) == changed_keys(keys, action, key)


def test_full_keyring_takes_no_more(monkeypatch):
    monkeypatch.setattr("gossip.core.keyring.KEYS_MAX", 1)

    assert ("keyring is full (1 keys)", (ONE,)) == changed_keys((ONE,), "install", TWO)


def test_change_is_answered_and_handed_to_the_driver():
    one = Solo(keys=(ONE,))

    assert KeyResponse(result=True) == reply(one, "install-key", TWO)
    assert [KeyringChanged((ONE, TWO))] == only(one.effects, KeyringChanged)
    assert (ONE, TWO) == one.node.keys


def test_refused_change_is_answered_with_the_reason_and_changes_nothing():
    one = Solo(keys=(ONE,))
    answer = reply(one, "remove-key", ONE)

    assert (False, "removing the primary key is not allowed") == (answer.result, answer.message)
    assert [] == only(one.effects, KeyringChanged)


def test_malformed_request_is_answered():
    one = Solo(keys=(ONE,))
    effects = one.hear_cluster(asked("use-key", b"\x07junk"))

    assert (
        "malformed key request"
        == PAYLOADS.decode(sent(effects, QueryResponse)[0][1].payload).message
    )


def test_list_has_every_key_and_the_primary():
    answer = reply(Solo(keys=(ONE, TWO)), "list-keys")

    texts = tuple(base64.b64encode(key).decode() for key in (ONE, TWO))
    assert KeyResponse(True, "", texts, texts[0]) == answer


def test_list_without_encryption_is_an_error():
    assert not reply(Solo(), "list-keys").result


def test_long_list_is_cut_from_the_end_and_says_so():
    """hashicorp/serf#546: a response over 1024 bytes was never sent."""
    keys = tuple(bytes([number]) * 16 for number in range(60))
    answer = reply(Solo(keys=keys), "list-keys")

    count = len(answer.keys)
    assert 20 < count < 60
    assert f"truncated key list response, showing first {count} of 60 keys" == answer.message
    assert answer.keys[0] == answer.primary_key


def start(action: str, *names: str) -> tuple[Solo, Query]:
    one = Solo(keys=(ONE,), probe_interval_s=1e6)
    one.meet(*names)
    one.drain()
    one.step(ChangeKeyring(8, action, TWO if action != "list" else b""))
    return one, said(one.advance(0.3), Query)[0]


def answer_from(query: Query, sender: str, response: KeyResponse) -> QueryResponse:
    return QueryResponse(query.time, query.id, sender, QueryFlag.NONE, PAYLOADS.encode(response))


def test_change_ends_when_every_member_has_answered():
    one, query = start("install", "b")
    assert "_serf_install-key" == query.name

    effects = one.hear_cluster(answer_from(query, "b", KeyResponse(result=True)))

    assert [KeyringAnswer(8, 2, 2, 0, {}, {}, {}, "")] == only(effects, KeyringAnswer)
    assert [] == only(one.advance(10), KeyringAnswer)


def test_change_reports_who_failed():
    one, query = start("install", "b")
    effects = one.hear_cluster(answer_from(query, "b", KeyResponse(False, "disk full")))

    answer = only(effects, KeyringAnswer)[0]
    assert ({"b": "disk full"}, 1, "1/2 nodes reported failure") == (
        answer.messages, answer.error_count, answer.error,
    )  # fmt: skip


def test_change_reports_who_was_silent():
    one, _ = start("install", "b")

    assert ["1/2 nodes reported success"] == [
        answer.error for answer in only(one.advance(10), KeyringAnswer)
    ]


def test_malformed_answer_counts_as_failure():
    one, query = start("install", "b")
    junk = QueryResponse(query.time, query.id, "b", QueryFlag.NONE, b"\x08junk")

    assert 1 == only(one.hear_cluster(junk), KeyringAnswer)[0].error_count


def test_list_counts_the_holders_of_each_key():
    one, query = start("list", "b")
    text_one, text_two = (base64.b64encode(key).decode() for key in (ONE, TWO))
    other = KeyResponse(True, "", (text_one, text_two), text_one)

    answer = only(one.hear_cluster(answer_from(query, "b", other)), KeyringAnswer)[0]

    assert ({text_one: 2, text_two: 1}, {text_one: 2}) == (answer.keys, answer.primary_keys)


def test_unknown_action_names_the_allowed_ones():
    effects = Solo().step(ChangeKeyring(8, "rotate"))

    assert [Completed(8, "keyring action must be one of install, use, remove, list")] == effects
