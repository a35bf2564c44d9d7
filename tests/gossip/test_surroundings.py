from gossip.core.effects import Change
from gossip.core.types import Address
from gossip.surroundings import Listener, Settings, SilentListener


def test_settings_insist_on_encryption_unless_told_otherwise() -> None:
    settings = Settings()

    assert settings.verify_incoming
    assert settings.verify_outgoing
    assert b"" == settings.label


def test_silent_listener_hears_everything() -> None:
    listener: Listener = SilentListener()

    listener.members_changed(Change.JOIN, ())
    listener.keyring_changed(())
    listener.conflict_seen("a", Address(b"\0\0\0\0", 1), Address(b"\0\0\0\0", 2))
    listener.stopped("why")
