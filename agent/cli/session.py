"""A session that a thread of its own keeps alive until it is destroyed."""

import threading
from typing import Any, Final

from agent.cli.client import Client
from agent.cli.failure import ApiError, Failure
from catalog.duration import SECOND, format_duration

TTL_S: Final = 15  # what Consul's client library uses; a dead holder is noticed in 15 to 30 s
RENEW_INTERVAL_S: Final = TTL_S / 2
RENEW_RETRY_S: Final = 1.0  # a failed renewal is tried again well before the TTL ends
_NOT_FOUND: Final = 404


class Session:
    """Made by ``open``, ended by ``close``; ``id`` is empty before.

    It belongs to the agent's own node unless ``node`` names another.
    """

    def __init__(self, client: Client, name: str, *, behavior: str, node: str = "") -> None:
        self.id = ""
        self._client = client
        self._request = {
            "Name": name,
            "TTL": format_duration(TTL_S * SECOND),
            "Behavior": behavior,
        }
        if node:
            self._request["Node"] = node
        self._closed = threading.Event()
        # A close while the creation is under way must wait for the ID that it has to end.
        self._creating = threading.Lock()

    def open(self) -> None:
        """Create it and begin to renew it. Raises Failure, also when it has been closed."""
        with self._creating:
            if self._closed.is_set():
                raise Failure("the session has been closed")
            created: Any = self._client.put_json("/v1/session/create", self._request)
            self.id = created["ID"]
        threading.Thread(target=self._renew, name="session renewal", daemon=True).start()

    def _renew(self) -> None:
        pause_s = RENEW_INTERVAL_S
        while not self._closed.wait(pause_s):
            pause_s = RENEW_INTERVAL_S
            try:
                self._client.put(f"/v1/session/renew/{self.id}")
            except ApiError as error:
                if error.status == _NOT_FOUND:
                    return  # expired: the watch over what it held tells the user
                pause_s = RENEW_RETRY_S
            except Failure:
                pause_s = RENEW_RETRY_S

    def close(self) -> None:
        """End it; what it holds is released or deleted at once. Raises Failure."""
        self._closed.set()
        with self._creating:
            if self.id:
                self._client.put(f"/v1/session/destroy/{self.id}")
