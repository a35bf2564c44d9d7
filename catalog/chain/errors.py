"""What makes a set of config entries unusable."""

from catalog.errors import Invalid


class GraphError(Invalid):
    """Config entries contradict each other; the text is the one that the API shows."""
