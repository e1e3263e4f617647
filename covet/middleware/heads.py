"""Middleware that reads a request's head, and refuses the request or changes the response's header fields."""

from typing import Any, cast

from covet.asgi.head import ScopeHead
from covet.core import Exchange
from covet.datastructures import MutableHeaders
from covet.middleware.base import AsgiApp, Layer, Receive, RequestResponseEndpoint, Scope, Send
from covet.requests import EngineRequest, Request
from covet.responses import Response

Head = Exchange | ScopeHead
"""The head of a request: over the engine, or over an ASGI server."""


class HeadMiddleware(Layer):
    """A middleware that is two functions: `refuse` before the application, `decorate` after it.

    Args:
        app: the application inside.
    """

    def __init__(self, app: AsgiApp) -> None:
        self.app = app

    def refuse(self, head: Head, front: bytes) -> Response | None:
        """The answer to a request that does not get through, or None.

        Args:
            head: the request.
            front: what is to be put before its path, for addresses.
        """
        return None

    def decorate(self, head: Head, headers: MutableHeaders) -> None:
        """Changes the response's header fields."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Answers a request with what is inside; see the class."""
        head = request.exchange
        response = self.refuse(head, cast(EngineRequest, request).raw_front)
        if response is None:
            response = await call_next(request)
            self.decorate(head, response.headers)
        return response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one ASGI 3 connection."""
        if scope["type"] != "http" and not (self.sees_websockets and scope["type"] == "websocket"):
            await self.app(scope, receive, send)
            return
        head = ScopeHead(scope)
        response = self.refuse(head, head.raw_root)
        if response is not None:
            await response(scope, receive, send)
            return

        async def decorated(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.decorate(head, headers_of(message))
            await send(message)

        await self.app(scope, receive, decorated)


def headers_of(message: Any) -> MutableHeaders:
    """The header fields of an http.response.start message; what is changed is changed in the message."""
    message["headers"] = [(bytes(name).lower(), bytes(value)) for name, value in message.get("headers", ())]
    return MutableHeaders(raw=message["headers"])
