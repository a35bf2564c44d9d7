"""Questions with typed answers."""

from agent.mesh.watch_questions import Answers, Chain, Entry, Instances, Leaf, Revoked, Roots
from catalog.chain import Overrides


def test_what_was_asked_and_what_was_missing_is_remembered() -> None:
    known = {Roots(): "roots"}
    answers = Answers(known.get)

    assert "roots" == answers.ask(Roots())
    assert answers.ask(Leaf("web")) is None

    assert {Roots(), Leaf("web")} == answers.asked
    assert {Leaf("web")} == answers.missing


def test_an_empty_answer_is_an_answer() -> None:
    answers = Answers({Revoked(): ()}.get)

    assert () == answers.ask(Revoked())
    assert set() == answers.missing


def test_questions_are_told_apart_by_kind_and_content() -> None:
    same = {
        Chain("db", "dc1"),
        Chain("db", "dc1", Overrides()),
        Chain("db", "dc1", Overrides(protocol="http")),
        Instances("db", "dc1"),
        Entry("db", "dc1"),
        Roots(),
        Revoked(),
    }

    assert 6 == len(same)
