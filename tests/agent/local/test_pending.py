"""What the catalog does not know yet."""

from agent.local.pending import Pending


def clean() -> Pending:
    pending = Pending()
    pending.node = False
    return pending


def test_everything_is_unknown_before_the_first_full_sync():
    assert not Pending().is_empty
    assert clean().is_empty


def test_what_comes_back_is_no_longer_gone():
    pending = clean()
    pending.remove_service("a")
    pending.remove_check("c", "a")

    pending.add_service("a")
    pending.add_check("c")

    assert (pending.gone_services, pending.gone_checks) == ({}, {})
    assert ({"a"}, {"c"}) == (pending.services, pending.checks)


def test_gone_checks_go_with_their_service():
    pending = clean()
    pending.remove_check("c", "a")
    pending.remove_check("d", "b")

    pending.forget_checks_of("a")

    assert set(pending.gone_checks) == {"d"}


def test_each_difference_is_told():
    pending, told = clean(), []
    pending.on_change = lambda: told.append(True)

    pending.add_service("a")
    pending.add_check("c")
    pending.remove_check("c", "a")
    pending.remove_service("a")
    pending.defer_check("d", 5.0)
    pending.defer_check("d", 6.0)

    assert len(told) == 5


def test_an_output_waits_for_its_first_deadline():
    pending = clean()
    pending.defer_check("c", 5.0)
    pending.defer_check("c", 9.0)

    assert pending.is_empty
    assert pending.next_due_s == 5.0
    pending.release_due(4.9)
    assert pending.checks == set()
    pending.release_due(5.0)
    assert pending.checks == {"c"}
    assert pending.next_due_s is None


def test_a_new_status_overtakes_a_deferred_output():
    pending = clean()
    pending.defer_check("c", 5.0)
    pending.add_check("c")
    pending.defer_check("c", 6.0)

    assert ({"c"}, {}) == (pending.checks, pending.deferred)
