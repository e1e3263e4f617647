"""Workers whose event loop is blocked: where, and for how long."""

import asyncio
import logging
import re
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

from covet.supervisor.child import Child
from covet.supervisor.pool import Pool
from covet.supervisor.tables import Engine

logger = logging.getLogger("covet.error")

FRAME = re.compile(r'^  File "(.*)", line (\d+) in ', re.MULTILINE)


class BlockedWatch:
    """Logs the engine's events about blocked workers.

    Args:
        engine: the engine.
        pool: the workers.
        limit: the seconds after which a blocked worker is killed; None is never.
    """

    def __init__(self, engine: Engine, pool: Pool, limit: float | None) -> None:
        self._engine = engine
        self._pool = pool
        self._limit = limit
        self._kills: dict[Child, asyncio.TimerHandle] = {}
        self._reports: set[asyncio.Future[None]] = set()

    def start(self) -> None:
        """Begins to listen to the engine."""
        asyncio.get_running_loop().add_reader(self._engine.event_fd(), self._on_events)

    def stop(self) -> None:
        """Listens no more."""
        asyncio.get_running_loop().remove_reader(self._engine.event_fd())
        for kill in self._kills.values():
            kill.cancel()

    def _on_events(self) -> None:
        for event in self._engine.events():
            child = next((child for child in self._pool.children if child.place == event.get("place")), None)
            handle = {"blocked": self._blocked, "unblocked": self._unblocked}.get(event["event"])
            if child is not None and handle is not None:
                handle(child, event)

    def _blocked(self, child: Child, event: dict[str, Any]) -> None:
        task = asyncio.ensure_future(self._report(child, event["seconds"]))
        self._reports.add(task)
        task.add_done_callback(self._reports.discard)
        if self._limit is not None and child not in self._kills:
            left = max(0.0, self._limit - event["seconds"])
            self._kills[child] = asyncio.get_running_loop().call_later(left, self._kill, child)

    def _unblocked(self, child: Child, event: dict[str, Any]) -> None:
        if (kill := self._kills.pop(child, None)) is not None:
            kill.cancel()
        logger.info("%s: event loop runs again after %.1f s", child.name, event["seconds"])

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
    folders = [sysconfig.get_path(name) for name in names] + [str(Path(__file__).parents[1])]
    return file.startswith("<") or any(Path(file).is_relative_to(folder) for folder in folders)
