"""``debug``: record what an agent says of itself over a while, in an archive to send along."""

import functools
import json
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent.cli.client import Client
from agent.cli.command import Call
from agent.cli.failure import Failure, explaining
from agent.cli.flags import seconds
from agent.cli.output import busy, say, warn
from agent.clock import monotonic_s, wall_s

INTERVAL_S_MIN: Final = 5.0  # what Consul demands: more often would measure the measuring
DURATION_S_MIN: Final = 10.0
LOG_BYTES_MAX: Final = 256 * 1024 * 1024  # a busy agent at TRACE must not fill the disk
_ONCE: Final = {
    "agent": "/v1/agent/self",
    "host": "/v1/agent/host",
    "cluster": "/v1/agent/members",
}
_REPEATED: Final = {
    "metrics": ("metrics.json", "/v1/agent/metrics"),
    "pprof": ("heap.prof", "/debug/pprof/heap"),
}
_TARGETS: Final = (*_ONCE, "logs", *_REPEATED)


def debug(call: Call) -> int:
    """``debug``."""
    call.expect_arguments(0, 0, "")
    targets = call.texts("capture") or _TARGETS
    unknown = sorted(set(targets) - set(_TARGETS))
    if unknown:
        message = f"-capture must be one of {', '.join(sorted(_TARGETS))}, not {unknown[0]}"
        raise Failure(message)
    duration_s, interval_s = seconds(call.number("duration")), seconds(call.number("interval"))
    if duration_s < DURATION_S_MIN or not INTERVAL_S_MIN <= interval_s <= duration_s:
        message = (
            f"-duration must be at least {DURATION_S_MIN:.0f}s and -interval from "
            f"{INTERVAL_S_MIN:.0f}s to the duration"
        )
        raise Failure(message)
    with explaining("Error querying Consul agent"):
        call.client.get("/v1/agent/self")  # fail before anything is written
    directory = Path(call.text("output") or f"consul-debug-{int(wall_s())}")
    _write(lambda: directory.mkdir(mode=0o700, parents=True))
    say(f"Recording {', '.join(targets)} for {duration_s:.0f} s into {directory}")
    with busy("Recording; interrupt to end early"):
        _record(call.client, directory, set(targets), duration_s, interval_s)
    if call.switch("archive"):
        say(f"Saved debug archive: {_pack(directory)}")
    return 0


def _record(
    client: Client, directory: Path, targets: set[str], duration_s: float, interval_s: float
) -> None:
    index = {"targets": sorted(targets), "duration_s": duration_s, "interval_s": interval_s}
    _write(lambda: (directory / "index.json").write_text(json.dumps(index, indent=4)))
    for target in sorted(targets & set(_ONCE)):
        _save(client, _ONCE[target], directory / f"{target}.json")
    stopped = threading.Event()
    if "logs" in targets:
        # A daemon thread: it may be inside a read when the time is up.
        threading.Thread(
            target=_follow_log, args=(client, directory / "consul.log", stopped), daemon=True
        ).start()
    ends_s = monotonic_s() + duration_s
    try:
        while (left_s := ends_s - monotonic_s()) > 0:
            moment = directory / str(int(wall_s()))
            _write(functools.partial(moment.mkdir, exist_ok=True))
            for target in sorted(targets & set(_REPEATED)):
                name, path = _REPEATED[target]
                _save(client, path, moment / name)
            stopped.wait(min(interval_s, left_s))
    except KeyboardInterrupt:
        warn("Interrupted; keeping what has been recorded")
    finally:
        stopped.set()


def _save(client: Client, path: str, file: Path) -> None:
    """Write an answer to a file; what the agent does not offer is reported and left out."""
    try:
        body = client.get(path).body
    except Failure as failure:
        warn(f"Cannot record {file.name}: {failure}")
        return
    _write(lambda: file.write_bytes(body))


def _follow_log(client: Client, file: Path, stopped: threading.Event) -> None:
    written_bytes = 0
    try:
        query = [("loglevel", "DEBUG")]
        with file.open("wb") as log, client.stream("/v1/agent/monitor", query) as pieces:
            for piece in pieces:
                written_bytes += log.write(piece)
                log.flush()
                if stopped.is_set() or written_bytes > LOG_BYTES_MAX:
                    return
    except (Failure, OSError) as error:
        warn(f"Cannot record {file.name}: {error}")


def _pack(directory: Path) -> Path:
    archive = directory.with_name(f"{directory.name}.tar.gz")

    def pack() -> None:
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(directory, arcname=directory.name)
        archive.chmod(0o600)
        for path in sorted(directory.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        directory.rmdir()

    _write(pack)
    return archive


def _write(work: Callable[[], object]) -> None:
    try:
        work()
    except OSError as error:
        message = f"Error writing {error.filename}: {(error.strerror or '').lower()}"
        raise Failure(message) from error
