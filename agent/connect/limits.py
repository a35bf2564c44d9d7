"""What the authority refuses for being too much."""

from catalog.errors import CatalogError


class RateLimited(CatalogError):
    """More certificates are asked for than the settings allow; try again."""

    def __init__(self) -> None:
        super().__init__("Rate limit reached, try again later")
