"""Responses that are only known as ASGI applications: Starlette's own, and classes with a `__call__` of their own."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from covet.background import let_go
from covet.core import Exchange
from covet.datastructures import RawHeaders
from covet.exceptions import RAISED
from covet.interfaces.answers import came_from_disconnect, plain_answer
from covet.interfaces.asgi import Cycle
from covet.responses import Message, Response

logger = logging.getLogger("covet.error")

SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.4"},
    "root_path": "",
    "state": {},
    "extensions": {"http.response.pathsend": {}},
}


class ForeignResponse(Response):
    """Another framework's response, as one of ours.

    Args:
        response: the response: an ASGI application with `status_code` and `raw_headers`.
    """

    def __init__(self, response: Any) -> None:
        self.response = response

    @property
    def status_code(self) -> int:
        """The response's status."""
        code: int = self.response.status_code
        return code

    @status_code.setter
    def status_code(self, value: int) -> None:
        self.response.status_code = value

    @property
    def raw_headers(self) -> RawHeaders:  # type: ignore[override]
        """The response's header fields."""
        fields: RawHeaders = self.response.raw_headers
        return fields

    @property
    def body(self) -> bytes:  # type: ignore[override]
        """The response's body. Raises AttributeError if it is made while it is sent."""
        return bytes(self.response.body)

    @property
    def background(self) -> Any:
        """The response's background work."""
        return getattr(self.response, "background", None)

    @background.setter
    def background(self, value: Any) -> None:
        self.response.background = value

    def answer(self, x: Exchange) -> Coroutine[Any, Any, None]:
        return answer_with(self.response, x)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.response(scope, receive, send)


async def answer_with(app: Any, x: Exchange) -> None:
    """Answers by an ASGI application, which is cancelled when the client goes away before the response is complete.

    Args:
        app: the application; what it does after its response is background work, in which errors are logged.
        x: the exchange.
    """
    task = asyncio.current_task()
    assert task is not None
    cycle, state = Cycle(x), x.state
    complete = False

    async def send(message: Message) -> None:
        nonlocal complete
        await cycle.send(message)
        if x.done and not complete:
            complete = True
            x.on_cancel(None)
            await let_go(x)

    x.on_cancel(task.cancel)
    try:
        await app(x.scope(SCOPE), cycle.receive, send)
    except asyncio.CancelledError:
        if complete:
            logger.error("Cancelled the background tasks of %s %s", x.method, x.path)
            raise
        gone = x.cancelled
        if x.started or gone:
            x.abort()
        if not gone:
            raise
    except RAISED as error:
        if complete:
            logger.exception("Exception in a background task of %s %s", x.method, x.path)
        elif x.cancelled and came_from_disconnect(error):
            x.abort()
        else:
            raise
    finally:
        if not x.done:
            x.on_cancel(None)
            x.state = state  # the cycle notes there what it has told the application
    if not x.done:
        logger.error("%s did not complete the response to %s %s", type(app).__name__, x.method, x.path)
        if x.started:
            x.abort()
        else:
            plain_answer(x, 500)
