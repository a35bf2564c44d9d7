from typing import Any

import pytest

from catalog.commands import Deregister, Register
from catalog.errors import CatalogError, Invalid
from catalog.rows.check import SERF_HEALTH
from catalog.rows.node import Node
from catalog.rows.service import ConnectProxy
from catalog.store import Store
from catalog.tables import CHECKS, COORDINATES, NODES, SERVICES
from catalog.watch import index_key
from catalog.writes.catalog import LAST_EXTINCTION, kind_index, service_index
from tests.catalog.replica import Replica, check, contents, service

ID_1 = "11111111-1111-1111-1111-111111111111"
ID_2 = "22222222-2222-2222-2222-222222222222"


def refused(replica: Replica, name: str, *checks: Any, **fields: Any) -> CatalogError:
    """The refusal of a registration, which must have changed nothing."""
    before = contents(replica.store)
    with pytest.raises(CatalogError) as refusal:
        replica.register(name, *checks, **fields)
    assert before == contents(replica.store)
    return refusal.value


def node(store: Store, name: str) -> Node:
    found = store.get(NODES, name)
    assert found is not None
    return found


def moved(replica: Replica) -> set[str]:
    """The last-change indexes that the last command moved."""
    return {name for name, at in replica.store.indexes.items() if at == replica.index}


# Registration as a whole.


def test_node_service_and_checks_are_stored_at_one_index(replica: Replica) -> None:
    index = replica.register(
        "n", check("own"), check("c", service_id="web"), service=service("web")
    )

    stored = replica.store
    instance = stored.get(SERVICES, ("n", "web"))
    assert instance is not None
    assert index == node(stored, "n").modify_index == instance.service.modify_index
    assert {index} == {row.modify_index for row in stored.all(CHECKS)}
    assert moved(replica) == {"nodes", "services", "checks", "service.web", "service_kind.typical"}


def test_equal_registration_moves_no_index(replica: Replica) -> None:
    arguments = (check("own"), check("c", service_id="web"))
    replica.register("n", *arguments, service=service("web", tags=("a",)))
    before = contents(replica.store)

    replica.register("n", *arguments, service=service("web", tags=("a",)))

    assert before == contents(replica.store)


def test_refused_check_undoes_node_and_service(replica: Replica) -> None:
    refusal = refused(replica, "n", check("c", service_id="none"), service=service("web"))

    assert str(refusal) == 'failed inserting check: Missing service registration on node "n"'


def test_check_of_another_node_is_refused(replica: Replica) -> None:
    refusal = refused(replica, "n", check("c", node="other"))

    assert isinstance(refusal, Invalid)
    assert str(refusal) == 'check node "other" does not match node "n"'


def test_check_may_name_its_node_in_any_case(replica: Replica) -> None:
    replica.register("n", check("c", node="N"))

    assert [row.node for row in replica.store.all(CHECKS)] == ["n"]


def test_skipped_node_update_leaves_a_known_node_as_it_is(replica: Replica) -> None:
    index = replica.register("n", address="10.0.0.1")

    skipping = Register(node=Node(node="n"), skip_node_update=True, service=service("web"))
    replica.do(skipping)

    assert (index, "10.0.0.1") == (
        node(replica.store, "n").modify_index,
        node(replica.store, "n").address,
    )
    assert replica.store.has(SERVICES, "service", "web")


def test_skipped_node_update_still_makes_an_unknown_node(replica: Replica) -> None:
    replica.do(Register(node=Node(node="n"), skip_node_update=True))

    assert node(replica.store, "n").address == ""


# Nodes.


def test_changed_node_moves_its_services_and_no_others(replica: Replica) -> None:
    replica.register("n", service=service("web"))
    replica.register("m", service=service("db"))

    index = replica.register("n", address="10.0.0.9")

    assert (1, index) == (
        node(replica.store, "n").create_index,
        node(replica.store, "n").modify_index,
    )
    assert moved(replica) == {"nodes", "service.web", "service_kind.typical"}


def test_node_names_are_one_without_regard_to_case(replica: Replica) -> None:
    replica.register("rn2")

    replica.register("RN2", address="10.9.0.3")

    assert [row.node for row in replica.store.all(NODES)] == ["RN2"]


def test_registration_without_an_id_keeps_the_known_id(replica: Replica) -> None:
    """The trouble of hashicorp/consul#9939: an id was erased by whoever left it out."""
    replica.register("n", id=ID_1)

    replica.register("n", address="10.0.0.9")

    assert (node(replica.store, "n").id, node(replica.store, "n").address) == (ID_1, "10.0.0.9")


def test_node_without_an_id_may_be_given_one(replica: Replica) -> None:
    replica.register("n", check(SERF_HEALTH))

    replica.register("n", id=ID_1)

    assert node(replica.store, "n").id == ID_1


# Service instances.


def test_changed_instance_moves_its_service_only(replica: Replica) -> None:
    replica.register("n", service=service("web"))
    replica.register("n", service=service("web2"))

    index = replica.register("n", service=service("web", port=80))

    instance = replica.store.get(SERVICES, ("n", "web"))
    assert instance is not None
    assert (1, index) == (instance.service.create_index, instance.service.modify_index)
    assert moved(replica) == {"services", "service.web", "service_kind.typical"}


def test_instance_that_changes_its_service_is_lost_to_the_old_one(replica: Replica) -> None:
    replica.register("n", service=service("old", "i"))

    replica.register("n", service=service("new", "i"))

    assert moved(replica) == {"services", "service.new", "service_kind.typical", LAST_EXTINCTION}
    assert "service.old" not in replica.store.indexes
    assert replica.store.values(SERVICES, "service") == ["new"]


def test_instance_that_changes_its_kind_moves_both_kinds(replica: Replica) -> None:
    proxy = ConnectProxy(destination_service_name="web")
    replica.register("n", service=service("p", kind="connect-proxy", proxy=proxy))

    replica.register("n", service=service("p"))

    assert moved(replica) == {
        "services",
        "service.p",
        "service_kind.typical",
        "service_kind.connect-proxy",
        "service_last_extinction",  # web has no proxy any more
    }


def test_proxy_that_changes_its_service_moves_both(replica: Replica) -> None:
    for name in ("web", "db"):
        proxy = ConnectProxy(destination_service_name=name)
        replica.register("n", service=service("other", kind="connect-proxy", proxy=proxy))
        replica.register("n", service=service("p", kind="connect-proxy", proxy=proxy))

    assert {"service_connect.web", "service_connect.db"} & moved(replica) == {"service_connect.db"}
    assert replica.store.last_index("service_connect.web") == 0


def test_last_instance_takes_the_services_index_with_it(replica: Replica) -> None:
    replica.register("n", service=service("web", "web-1"))
    replica.register("n", service=service("web", "web-2"))

    replica.do(Deregister(node="n", service_id="web-1"))
    assert moved(replica) == {"services", "service.web", "service_kind.typical"}

    replica.do(Deregister(node="n", service_id="web-2"))
    assert moved(replica) == {"services", "service_kind.typical", LAST_EXTINCTION}
    assert service_index("web") not in replica.store.indexes


def test_service_that_comes_back_has_an_index_again(replica: Replica) -> None:
    replica.register("n", service=service("web"))
    replica.do(Deregister(node="n", service_id="web"))

    index = replica.register("n", service=service("web"))

    assert index == replica.store.last_index(service_index("WEB"))


def test_waiters_for_a_services_index_hear_of_its_extinction(replica: Replica) -> None:
    replica.register("n", service=service("web"))
    woken: list[int] = []
    replica.store.watches.add([index_key("service.web")], lambda: woken.append(1))

    replica.do(Deregister(node="n"))

    assert woken == [1]


@pytest.mark.parametrize(
    ("kind", "name"),
    [("", "service_kind.typical"), ("connect-proxy", "service_kind.connect-proxy")],
)
def test_each_kind_has_an_index(kind: str, name: str) -> None:
    assert name == kind_index(kind)


# Checks.


def test_check_has_the_name_and_tags_of_its_instance(replica: Replica) -> None:
    replica.register(
        "n", check("c", service_id="web-1"), service=service("web", "web-1", tags=("t",))
    )

    stored = replica.store.get(CHECKS, ("n", "c"))
    assert stored is not None
    assert (stored.service_name, stored.service_tags) == ("web", ("t",))


def test_check_without_a_status_is_critical(replica: Replica) -> None:
    replica.register("n", check("c", ""))

    assert replica.store.get(CHECKS, ("n", "c")).status == "critical"


def test_instance_check_moves_its_service_only(replica: Replica) -> None:
    for name in ("web", "db"):
        replica.register("n", service=service(name))

    replica.register("n", check("c", "warning", service_id="web"))

    assert moved(replica) == {"checks", "service.web", "service_kind.typical"}


def test_node_check_moves_every_service_on_the_node(replica: Replica) -> None:
    for name in ("web", "db"):
        replica.register("n", service=service(name))
    replica.register("m", service=service("far"))

    replica.register("n", check("c", "warning"))
    assert moved(replica) == {"checks", "service.web", "service.db", "service_kind.typical"}

    replica.do(Deregister(node="n", check_id="c"))
    assert moved(replica) == {"checks", "service.web", "service.db", "service_kind.typical"}


def test_check_that_moves_to_another_instance_moves_both_services(replica: Replica) -> None:
    for name in ("web", "db"):
        replica.register("n", service=service(name))
    replica.register("n", check("c", service_id="web"))

    replica.register("n", check("c", service_id="db"))

    assert moved(replica) == {"checks", "service.web", "service.db", "service_kind.typical"}


def test_changed_output_is_a_change_of_the_check(replica: Replica) -> None:
    replica.register("n", check("c", output="a"))

    index = replica.register("n", check("c", output="b"))

    stored = replica.store.get(CHECKS, ("n", "c"))
    assert stored is not None
    assert (1, index) == (stored.create_index, stored.modify_index)


# Deregistration.


def test_removed_node_takes_everything_on_it_with_it(inhabited: Replica) -> None:
    inhabited.register("other", service=service("web"))

    inhabited.do(Deregister(node="OLD"))

    store = inhabited.store
    assert [row.node for row in store.all(NODES)] == ["other"]
    assert [row.node for row in store.all(SERVICES)] == ["other"]
    assert store.all(CHECKS) == []
    assert store.all(COORDINATES) == []
    assert inhabited.sessions() == []
    assert inhabited.pair("k").session == ""
    assert {"nodes", "services", "checks", "coordinates", "sessions", "service.web"} <= moved(
        inhabited
    )


def test_service_is_removed_rather_than_a_check_when_both_are_named(inhabited: Replica) -> None:
    inhabited.do(Deregister(node="old", service_id="web", check_id="own"))

    assert inhabited.store.all(SERVICES) == []
    assert [row.check_id for row in inhabited.store.all(CHECKS)] == ["own"]


def test_removed_check_leaves_the_rest(inhabited: Replica) -> None:
    inhabited.do(Deregister(node="old", check_id="c"))

    assert [row.check_id for row in inhabited.store.all(CHECKS)] == ["own"]
    assert moved(inhabited) == {"checks", "service.web", "service_kind.typical"}


@pytest.mark.parametrize(
    "command",
    [
        Deregister(node="nobody"),
        Deregister(node="old", service_id="none"),
        Deregister(node="old", check_id="none"),
    ],
)
def test_removal_of_nothing_is_true_and_changes_nothing(
    inhabited: Replica, command: Deregister
) -> None:
    before = contents(inhabited.store)

    assert inhabited.do(command) is True

    assert before == contents(inhabited.store)
