"""A request before anything is decided on it: refused, or cleaned of what confuses servers.

Source: Consul, mesh.HTTP.Incoming.RequestNormalization; Envoy, HeadersWithUnderscoresAction.
"""

from typing import Final

from proxy.api import HttpOptions
from proxy.core.path import Refusal, normalized_target
from proxy.core.request import RequestFacts
from proxy.http import RequestHead

REJECT_REQUEST: Final = "REJECT_REQUEST"
DROP_HEADER: Final = "DROP_HEADER"


def screen(head: RequestHead, options: HttpOptions) -> RequestFacts | Refusal:
    """What to decide on, or the answer. Takes dropped headers out of ``head``.

    Servers that make variables of headers (CGI, WSGI) take ``x_user`` and ``x-user`` for one; so a
    proxy may be told to let no underscore through.
    """
    action = options.headers_with_underscores
    if action in {REJECT_REQUEST, DROP_HEADER} and any(b"_" in name for name, _ in head.headers):
        if action == REJECT_REQUEST:
            return Refusal(400, "a header's name has an underscore")
        head.headers = [field for field in head.headers if b"_" not in field[0]]
    target = normalized_target(head.target, options)
    return target if isinstance(target, Refusal) else RequestFacts(head, target)
