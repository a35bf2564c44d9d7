"""The text of a check's output: always valid, never longer than its limit.

Bodies and notes keep their head, where the cause stands; scripts keep their tail, where their
verdict stands. Bytes that are no UTF-8 become U+FFFD.
"""

from typing import Final

from agent.checks.definition import CheckType

OUTPUT_BYTES_MAX: Final = 4096  # Consul's default; outputs are replicated to every server


def output_bytes_max(definition: CheckType, agent_bytes_max: int) -> int:
    """The bytes of output to keep: a check may lower the agent's limit, not raise it."""
    limit = agent_bytes_max if agent_bytes_max > 0 else OUTPUT_BYTES_MAX
    return min(limit, definition.output_max_size) if definition.output_max_size > 0 else limit


def head(text: str, bytes_max: int) -> str:
    """``text`` as valid UTF-8, cut to its first ``bytes_max`` bytes with a note of the loss."""
    content = text.encode("utf-8", "surrogatepass")
    return head_of_bytes(content, bytes_max, content_bytes=len(content))


def head_of_bytes(content: bytes, bytes_max: int, *, content_bytes: int, more: str = "") -> str:
    """The first ``bytes_max`` bytes of ``content`` as text, noting what was left out.

    ``content_bytes`` is the size of the whole, of which ``content`` may be only the start;
    ``more`` is written behind that size where the whole is not known to end there.
    """
    if content_bytes <= bytes_max:
        return content.decode("utf-8", "replace")
    kept = _whole_characters(content[:bytes_max])
    text = kept.decode("utf-8", "replace")
    return f"{text} ... (captured {len(kept)} of {content_bytes}{more} bytes)"


def _whole_characters(content: bytes) -> bytes:
    """Drop a character that the cut split, so that it does not turn into U+FFFD."""
    for split_bytes in range(1, min(4, len(content) + 1)):
        lead = content[-split_bytes]
        if lead & 0b1100_0000 == 0b1000_0000:
            continue  # a continuation byte: its lead byte stands further left
        character_bytes = 2 if lead >> 5 == 0b110 else 3 if lead >> 4 == 0b1110 else 4
        is_split = lead >= 0b1100_0000 and character_bytes > split_bytes
        return content[:-split_bytes] if is_split else content
    return content


class Tail:
    """The last ``bytes_max`` bytes of what was written, and the count of all of them."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._kept = bytearray()
        self.written_bytes = 0

    def write(self, content: bytes) -> None:
        """Append ``content`` and forget what no longer fits."""
        self.written_bytes += len(content)
        self._kept += content[-self._bytes_max :]
        if len(self._kept) > self._bytes_max:
            del self._kept[: -self._bytes_max]

    def text(self) -> str:
        """What is kept, headed by a note if that is not everything."""
        text = self._kept.decode("utf-8", "replace")
        if self.written_bytes <= self._bytes_max:
            return text
        return f"Captured {len(self._kept)} of {self.written_bytes} bytes\n...\n{text}"
