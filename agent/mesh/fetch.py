"""Gets small texts that configuration names: keys of a token provider, certificates."""

import os
import stat
from pathlib import Path
from typing import Final

TEXT_BYTES_MAX: Final = 1024 * 1024  # a key set or a chain is some kilobytes


async def fetch_text(url: str, timeout_s: float) -> str:
    """The text at a URL. Raises OSError when it cannot be had, or is too long."""
    # Most agents fetch nothing, ever: the client is loaded by those that do.
    from aiohttp import ClientError, ClientSession, ClientTimeout

    try:
        async with (
            ClientSession(timeout=ClientTimeout(total=timeout_s)) as session,
            session.get(url) as answer,
        ):
            answer.raise_for_status()
            content = await answer.content.read(TEXT_BYTES_MAX + 1)
            while len(content) <= TEXT_BYTES_MAX and not answer.content.at_eof():
                content += await answer.content.read(TEXT_BYTES_MAX + 1 - len(content))
    except (ClientError, TimeoutError) as error:
        message = f"{url}: {str(error) or type(error).__name__}"
        raise OSError(message) from None
    if len(content) > TEXT_BYTES_MAX:
        message = f"{url}: more than {TEXT_BYTES_MAX} bytes"
        raise OSError(message)
    return content.decode(errors="replace")


def read_text(path: Path) -> str:
    """The text of a file. Raises OSError when it cannot be had, is too long, or is no file."""
    # Without waiting, as a pipe would have us do; a device would never end.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            message = f"{path}: this is no file"
            raise OSError(message)
        content = file.read(TEXT_BYTES_MAX + 1)
    if len(content) > TEXT_BYTES_MAX:
        message = f"{path}: more than {TEXT_BYTES_MAX} bytes"
        raise OSError(message)
    return content.decode(errors="replace")
