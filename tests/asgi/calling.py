"""Calls an ASGI application by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any, NamedTuple

LIFESPAN = {"type": "lifespan", "asgi": {"version": "3.0"}}
HANG = object()
"""Among events: nothing more comes, and the client stays."""


class Called(NamedTuple):
    status: int
    headers: dict[bytes, bytes]
    body: bytes
    messages: list[dict[str, Any]]
    raised: Exception | None = None
    """What the application raised after it had answered."""


def scope_of(path: str = "/", method: str = "GET", **members: Any) -> dict[str, Any]:
    """A scope as servers make it."""
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [(b"host", b"test")], "client": ("127.0.0.1", 5000), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    return {**scope, **members}


async def called(app: Any, scope: dict[str, Any], events: Sequence[Any] = (), sent: list[Any] | None = None) -> Called:
    """One call; without other events the body is empty and the client stays."""
    waiting = list(events) or [{"type": "http.request", "body": b"", "more_body": False}, HANG]
    messages: list[dict[str, Any]] = [] if sent is None else sent

    async def receive() -> Any:
        event = waiting.pop(0) if waiting else HANG
        if event is HANG:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        return event

    async def send(message: Any) -> None:
        await asyncio.sleep(0)
        messages.append(message)

    raised = None
    try:
        await asyncio.wait_for(app(scope, receive, send), 20)
    except Exception as error:
        if not messages or messages[-1].get("more_body", True):
            raise
        raised = error
    if not messages:
        return Called(0, {}, b"", messages)
    body = b"".join(message.get("body", b"") for message in messages[1:])
    return Called(messages[0]["status"], dict(messages[0]["headers"]), body, messages, raised)


def call(app: Any, path: str = "/", method: str = "GET", **members: Any) -> Called:
    """One call with an empty body."""
    return asyncio.run(called(app, scope_of(path, method, **members)))


class Alive:
    """Runs an application's lifespan around a block, as a server does."""

    def __init__(self, app: Any, **members: Any) -> None:
        self._app, self._scope = app, {**LIFESPAN, **members}
        self._to_app: asyncio.Queue[Any] = asyncio.Queue()
        self._from_app: asyncio.Queue[Any] = asyncio.Queue()

    async def __aenter__(self) -> dict[str, Any]:
        self.task = asyncio.create_task(self._app(self._scope, self._to_app.get, self._from_app.put))
        self._to_app.put_nowait({"type": "lifespan.startup"})
        answer: dict[str, Any] = await self._from_app.get()
        return answer

    async def __aexit__(
        self, kind: type[BaseException] | None, e: BaseException | None, t: TracebackType | None
    ) -> None:
        self._to_app.put_nowait({"type": "lifespan.shutdown"})
        if not self.task.done():
            self.ended = await self._from_app.get()
        await asyncio.wait([self.task])
