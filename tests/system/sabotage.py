"""A disk that fails or hangs, a clock that jumps and a disk that is full, for one real process.

The first two are a library (``sabotage.c``) preloaded into the process and told what to do through
a page of shared memory, so that nothing of the machine changes and a fault begins and ends while
the process runs. The last is a small tmpfs in a mount namespace that ends with the test. Needs
gcc, or root, respectively.
"""

import contextlib
import mmap
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.system.agent_process import ROOT

SOURCE: Final = Path(__file__).with_name("sabotage.c")
# A compiler on a busy machine.
BUILD_WAIT_S: Final = 60.0
PAGE: Final = struct.Struct("=iiq")
SYNC_WELL, SYNC_FAILS, SYNC_HANGS = 0, 1, 2
SECOND_NS: Final = 1_000_000_000
# The fill of a disk goes in pieces, so that the last one finds no room rather than too little.
BALLAST_PIECE_BYTES: Final = 256 * 1024


def build(directory: Path) -> Path:
    """Compile the library into a directory. Skips the test where there is no compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("the faults of disk and clock need a C compiler")
    library = directory / "sabotage.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O2", "-o", library, SOURCE, "-ldl"],
        check=True,
        timeout=BUILD_WAIT_S,
    )
    return library


class Sabotage:
    """What one process's disk and clock do; ``prefix`` is put before its command."""

    def __init__(self, library: Path, page: Path) -> None:
        page.write_bytes(bytes(mmap.PAGESIZE))
        with page.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self.prefix = ("env", f"LD_PRELOAD={library}", f"SABOTAGE_PAGE={page}")
        self._sync = SYNC_WELL
        self._delay_ms = 0
        self._offset_s = 0.0

    def fail_syncs(self) -> None:
        """From now on a sync fails with EIO."""
        self._sync = SYNC_FAILS
        self._tell()

    def hang_syncs(self) -> None:
        """From now on a sync does not return."""
        self._sync = SYNC_HANGS
        self._tell()

    def slow_syncs(self, delay_ms: int) -> None:
        """From now on a sync takes this much longer."""
        self._delay_ms = delay_ms
        self._tell()

    def mend_syncs(self) -> None:
        """Syncs work again, and are quick; those that hang go on."""
        self._sync, self._delay_ms = SYNC_WELL, 0
        self._tell()

    def jump_clock(self, offset_s: float) -> None:
        """The wall clock differs from the machine's by this much from now on."""
        self._offset_s = offset_s
        self._tell()

    def _tell(self) -> None:
        offset_ns = int(self._offset_s * SECOND_NS)
        PAGE.pack_into(self._page, 0, self._sync, self._delay_ms, offset_ns)


class SmallDisk:
    """A tmpfs over a directory, seen only by what is started with ``prefix``.

    The mount lives in the namespace of a child process that ends with its input, so it is gone
    with this process however that ends, once the last user of the namespace is gone too.
    """

    def __init__(self, directory: Path, size_bytes: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        mount = f'mount -t tmpfs -o size={size_bytes} tmpfs "$1" && echo ready && read -r _'
        self._keeper = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", mount, "sh", directory],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._keeper.stdout is not None
        if self._keeper.stdout.readline() != "ready\n":
            pytest.fail("a small tmpfs cannot be mounted; needs CAP_SYS_ADMIN")
        pid = self._keeper.pid
        # Entering a mount namespace leaves the working directory, where the program is found.
        self.prefix = ("nsenter", f"--mount=/proc/{pid}/ns/mnt", f"--wd={ROOT}")
        self.inside = Path(f"/proc/{pid}/root{directory}")

    def fill(self) -> None:
        """Leave no room."""
        with (
            contextlib.suppress(OSError),
            (self.inside / "ballast").open("wb", buffering=0) as file,
        ):
            while file.write(bytes(BALLAST_PIECE_BYTES)):
                pass

    def clear(self) -> None:
        """Make room again."""
        (self.inside / "ballast").unlink(missing_ok=True)

    def wipe(self) -> None:
        """Lose all that is on it."""
        for entry in self.inside.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def end(self) -> None:
        """Let go of the mount."""
        self._keeper.communicate(input="\n")
