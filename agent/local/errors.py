"""What this node's registrations refuse; ``str()`` is the text for the client."""


class LocalFault(Exception):
    """Any refusal; answered with status 500 unless a subclass says otherwise."""


class BadDefinition(LocalFault):
    """A service or check that is wrong in itself; answered 400."""


class UnknownRegistration(LocalFault):
    """The named service is not registered here; answered 404."""
