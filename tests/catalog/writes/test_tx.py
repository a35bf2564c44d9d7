from catalog.store import Store
from catalog.writes.tx import Tx


def test_changed_names_get_the_commands_index() -> None:
    tx = Tx(Store(), 7)

    tx.changed("nodes", "services")

    assert tx.store.indexes == {"nodes": 7, "services": 7}


def test_command_starts_without_effects() -> None:
    assert Tx(Store(), 1).effects == []
