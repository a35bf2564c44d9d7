"""The keys of a pool, changed everywhere by internal queries.

Only the primary key encrypts; every key decrypts. The order that keeps a pool together: install
everywhere, then use everywhere, then remove everywhere; ``KeyringAnswer`` tells whether everybody
did. Source: Serf's key manager.
"""

import base64
from collections import Counter
from typing import Final

from gossip.core.effects import Completed, KeyringAnswer, KeyringChanged
from gossip.core.inputs import Ask, ChangeKeyring
from gossip.core.queries import INTERNAL_PREFIX, Queries
from gossip.core.roster import Roster
from gossip.core.surroundings import Surroundings
from gossip.core.types import KeyRequest, KeyResponse, Query

KEY_BYTES: Final = frozenset({16, 24, 32})  # AES-128, -192, -256
ACTIONS: Final = ("install", "use", "remove", "list")
KEYS_MAX: Final = 256  # each key is tried on each packet that nobody else's key opens


class Keyring:
    """Our keys, primary first, and the rules for changing them. Empty: no encryption."""

    def __init__(self, around: Surroundings, roster: Roster, queries: Queries) -> None:
        self._around = around
        self._roster = roster
        self._queries = queries
        self.keys = around.config.keys
        for action in ("install", "use", "remove"):
            queries.internal[f"{action}-key"] = self._answer_change
        queries.internal["list-keys"] = self._answer_list

    # --- asking everybody ---

    def change(self, command: ChangeKeyring) -> None:
        """Ask every member; ends early when all have answered."""
        if command.action not in ACTIONS:
            error = f"keyring action must be one of {', '.join(ACTIONS)}"
            self._around.emit(Completed(command.request, error))
            return
        suffix = "list-keys" if command.action == "list" else f"{command.action}-key"
        payload = self._around.payloads.encode(KeyRequest(command.key))
        tally = _Tally(self._around, command.request, self._roster.alive_count)
        ask = Ask(
            command.request, INTERNAL_PREFIX + suffix, payload, relay_factor=command.relay_factor
        )
        error = self._queries.ask_for(ask, tally.answered, tally.finished)
        if error:
            self._around.emit(Completed(command.request, error))

    # --- answering ---

    def _answer_change(self, query: Query) -> None:
        request = self._around.payloads.decode(query.payload)
        if not isinstance(request, KeyRequest):
            self._reply(query, KeyResponse(result=False, message="malformed key request"))
            return
        action = query.name.removeprefix(INTERNAL_PREFIX).removesuffix("-key")
        error, keys = changed_keys(self.keys, action, request.key)
        if not error and keys != self.keys:
            self.keys = keys
            self._around.emit(KeyringChanged(keys))
        self._reply(query, KeyResponse(result=not error, message=error))

    def _answer_list(self, query: Query) -> None:
        if not self.keys:
            self._reply(query, KeyResponse(result=False, message="encryption is not enabled"))
            return
        texts = tuple(base64.b64encode(key).decode() for key in self.keys)
        message = ""
        for count in range(len(texts), 0, -1):
            if count < len(texts):
                message = f"truncated key list response, showing first {count} of {len(texts)} keys"
            if self._reply(query, KeyResponse(True, message, texts[:count], texts[0])):
                return

    def _reply(self, query: Query, response: KeyResponse) -> bool:
        return self._queries.answer(query, self._around.payloads.encode(response))


def changed_keys(keys: tuple[bytes, ...], action: str, key: bytes) -> tuple[str, tuple[bytes, ...]]:
    """Why not (or empty), and the keys after ``action``, primary first."""
    if not keys:
        return "encryption is not enabled", keys
    if len(key) not in KEY_BYTES:
        return "key size must be 16, 24 or 32 bytes", keys
    match action:
        case "install":
            if key not in keys and len(keys) >= KEYS_MAX:
                return f"keyring is full ({KEYS_MAX} keys)", keys
            return "", keys if key in keys else (*keys, key)
        case "use":
            if key not in keys:
                return "requested key is not in the keyring", keys
            return "", (key, *(other for other in keys if other != key))
        case _:
            assert action == "remove"
            if key == keys[0]:
                return "removing the primary key is not allowed", keys
            return "", tuple(other for other in keys if other != key)


class _Tally:
    """What the members said to one change."""

    def __init__(self, around: Surroundings, request: int, member_count: int) -> None:
        self._around = around
        self._request = request
        self._member_count = member_count
        self._responses: dict[str, KeyResponse] = {}
        self._is_finished = False

    def answered(self, sender: str, payload: bytes | None) -> None:
        """Count a response."""
        if payload is None or self._is_finished:
            return
        response = self._around.payloads.decode(payload)
        if not isinstance(response, KeyResponse):
            response = KeyResponse(result=False, message="malformed key response")
        self._responses[sender] = response
        if len(self._responses) == self._member_count:
            self.finished(0, len(self._responses))

    def finished(self, _ack_count: int, _response_count: int) -> None:
        """Report, once."""
        if self._is_finished:
            return
        self._is_finished = True
        responses, total = self._responses, self._member_count
        failed = sum(not response.result for response in responses.values())
        error = ""
        if failed:
            error = f"{failed}/{total} nodes reported failure"
        elif len(responses) < total:
            error = f"{len(responses)}/{total} nodes reported success"
        keys = Counter(key for response in responses.values() for key in response.keys)
        primary = Counter(r.primary_key for r in responses.values() if r.primary_key)
        self._around.emit(
            KeyringAnswer(
                request=self._request,
                member_count=total,
                response_count=len(responses),
                error_count=failed,
                messages={name: r.message for name, r in responses.items() if r.message},
                keys=dict(keys),
                primary_keys=dict(primary),
                error=error,
            )
        )
