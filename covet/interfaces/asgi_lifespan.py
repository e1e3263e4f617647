"""The lifespan protocol of ASGI (asgi.readthedocs.io, Lifespan 2.0)."""

import asyncio
import logging
from collections.abc import Mapping, MutableMapping
from typing import Any

from covet.lifespan import LifespanFailed

logger = logging.getLogger("covet.error")


class AsgiLifespan:
    """Runs an application's lifespan in one task.

    Args:
        app: the application.
        mode: "auto": an application that does not know the protocol is served without; "on": it is refused; "off".
    """

    def __init__(self, app: Any, mode: str) -> None:
        self._app = app
        self._mode = mode
        self._state: dict[str, Any] = {}
        self._inbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._answers: dict[str, asyncio.Future[None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> Mapping[str, Any]:
        """Starts up and returns the state for requests. Raises LifespanFailed."""
        if self._mode == "off":
            return {}
        self._task = asyncio.create_task(self._run(), name="covet-lifespan")
        self._task.add_done_callback(_mark_as_seen)
        if await self._ask("startup"):
            return self._state
        task, self._task = self._task, None
        error = task.exception()
        if self._mode == "on":
            raise LifespanFailed("The ASGI application does not take part in the lifespan protocol.") from error
        logger.info("The ASGI application does not take part in the lifespan protocol.")
        logger.debug("Exception in the ASGI application's lifespan", exc_info=error)
        return {}

    async def stop(self) -> None:
        """Shuts down. Raises LifespanFailed, or what the application raises meanwhile."""
        if self._task is None:
            return
        if self._task.done() or not await self._ask("shutdown"):
            self._task.result()
        self.cancel()

    def cancel(self) -> None:
        """Gives the lifespan up."""
        if self._task is not None:
            self._task.cancel()

    async def _ask(self, event: str) -> bool:
        """Sends an event and waits for its answer; False if the application ended without one."""
        answer = self._answers[event] = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait({"type": f"lifespan.{event}"})
        assert self._task is not None
        await asyncio.wait({answer, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
            return False
        answer.result()
        return True

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
        await self._app(scope, self._inbox.get, self._take)

    async def _take(self, message: MutableMapping[str, Any]) -> None:
        kind = message["type"]
        event, _, outcome = kind.removeprefix("lifespan.").partition(".")
        answer = self._answers.get(event)
        if not kind.startswith("lifespan.") or outcome not in ("complete", "failed") or answer is None:
            raise RuntimeError(f"unexpected ASGI message {kind!r} in the lifespan")
        if answer.done():
            raise RuntimeError(f"the ASGI message {kind!r} was sent twice")
        if outcome == "complete":
            answer.set_result(None)
        else:
            answer.set_exception(LifespanFailed(message.get("message", "") or f"The {event} failed."))


def _mark_as_seen(task: "asyncio.Task[None]") -> None:
    """Has asyncio not complain of an exception that `start` or `stop` deals with, or that a message has told."""
    if not task.cancelled():
        task.exception()
