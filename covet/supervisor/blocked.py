"""Workers whose event loop is blocked: where, and for how long."""

import asyncio
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from covet.supervisor.child import Child
from covet.supervisor.pool import Pool

logger = logging.getLogger("covet.error")

FRAME = re.compile(r'^  File "(.*)", line (\d+) in ', re.MULTILINE)


class BlockedWatch:
    """Logs the engine's events about blocked workers.

    Args:
        pool: the workers.
        limit: the seconds after which a blocked worker is killed; None is never.
    """

    def __init__(self, pool: Pool, limit: float | None) -> None:
        self._pool = pool
        self._limit = limit
        self._kills: dict[Child, asyncio.TimerHandle] = {}
        self._reports: set[asyncio.Future[None]] = set()

    def blocked(self, event: dict[str, Any]) -> None:
        """A worker's event loop is blocked."""
        if (child := self._child(event)) is None:
            return
        task = asyncio.ensure_future(self._report(child, event["seconds"]))
        self._reports.add(task)
        task.add_done_callback(self._reports.discard)
        if self._limit is not None and child not in self._kills:
            left = max(0.0, self._limit - event["seconds"])
            self._kills[child] = asyncio.get_running_loop().call_later(left, self._kill, child)

    def unblocked(self, event: dict[str, Any]) -> None:
        """A worker's event loop runs again."""
        if (child := self._child(event)) is None:
            return
        if (kill := self._kills.pop(child, None)) is not None:
            kill.cancel()
        logger.info("%s: event loop runs again after %.1f s", child.name, event["seconds"])

    def stop(self) -> None:
        """Kills nobody any more."""
        for kill in self._kills.values():
            kill.cancel()

    def _child(self, event: dict[str, Any]) -> Child | None:
        return next((child for child in self._pool.children if child.place == event["place"]), None)

    async def _report(self, child: Child, seconds: float) -> None:
        where = place_of(await child.traceback())
        if child.alive:
            logger.warning("%s: event loop blocked for %.1f s%s", child.name, seconds, f" at {where}" if where else "")

    def _kill(self, child: Child) -> None:
        del self._kills[child]
        if child.alive:
            logger.error("%s: event loop blocked for more than %g s, killing it", child.name, self._limit)
            child.kill()


def place_of(traceback: str, *, is_foreign: Callable[[str], bool] | None = None) -> str:
    """The file and line of the innermost frame of the application.

    Args:
        traceback: what faulthandler wrote, the innermost frame first.
        is_foreign: tells the files that are not the application's; without it, the standard library's,
            installed packages' and covet's.

    Returns:
        "file:line"; of the innermost frame of all if none is the application's; empty if there is no frame.
    """
    foreign = is_foreign or _is_foreign
    frames: list[tuple[str, str]] = FRAME.findall(traceback)
    file, line = next((frame for frame in frames if not foreign(frame[0])), frames[0] if frames else ("", ""))
    return f"{file}:{line}" if file else ""


def _is_foreign(file: str) -> bool:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    import sysconfig  # takes memory, and is rarely needed

    folders = [sysconfig.get_path(name) for name in names] + [str(Path(__file__).parents[1])]
    return file.startswith("<") or any(Path(file).is_relative_to(folder) for folder in folders)
