"""What this node's registrations refuse; ``str()`` is the text for the client."""

from typing import ClassVar


class LocalFault(Exception):
    """Any refusal. ``status`` is the HTTP status that it is answered with."""

    status: ClassVar[int] = 500


class BadDefinition(LocalFault):
    """A service or check that is wrong in itself."""

    status = 400


class UnknownRegistration(LocalFault):
    """The named service is not registered here."""

    status = 404
