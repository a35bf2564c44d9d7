"""What the catalog refuses, by class; the texts are the ones that clients match on."""


class CatalogError(Exception):
    """Any refusal of a command or query; ``str()`` is the text for the client."""


class Invalid(CatalogError):
    """The request is wrong in itself."""


class BadRequest(Invalid):
    """A fault that the API answers with status 400."""


class NotFound(CatalogError):
    """What the request names does not exist and the API answers 404."""


class Conflict(CatalogError):
    """The request contradicts what is stored."""


class PermissionDenied(CatalogError):
    """The token does not allow it."""


class TooLarge(CatalogError):
    """The request exceeds a limit of size or count; answered 413."""
