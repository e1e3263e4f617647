"""What the tests of responses share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from unit.fakes import FakeExchange

Messages = list[dict[str, Any]]


def answered(response: Any, **exchange: Any) -> FakeExchange:
    """The exchange after a response has answered it, background work included."""
    x = FakeExchange(**exchange)
    answer = response.answer(x)
    if answer is not None:

        async def drive() -> None:
            await answer

        asyncio.run(drive())
    return x


async def called(app: Any, events: list[Any] | None = None, **members: Any) -> Messages:
    """The messages that an ASGI application sends; after the events it is given, the client stays."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "method": "GET",
        "path": "/",
        "headers": [],
        **members,
    }
    messages: Messages = []
    waiting = [{"type": "http.request", "body": b"", "more_body": False}] if events is None else events

    async def receive() -> Any:
        if not waiting:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        return waiting.pop(0)

    async def send(message: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        messages.append(message)

    await asyncio.wait_for(app(scope, receive, send), 20)
    return messages


def call(make: Callable[[], Any], **members: Any) -> Messages:
    """The messages of an application that is made on the event loop."""

    async def main() -> Messages:
        return await called(make(), **members)

    return asyncio.run(main())
