"""Gives each request an identifier, which logs and other services can name."""

import re
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from os import urandom
from typing import Any

from covet.asgi.head import ScopeHead
from covet.middleware.base import AsgiApp, Layer, Receive, RequestResponseEndpoint, Scope, Send
from covet.middleware.heads import Head, headers_of
from covet.requests import Request
from covet.responses import Response

request_id: ContextVar[str] = ContextVar("covet_request_id", default="")
"""The identifier of the request that is being answered; empty outside of one."""

Entry = tuple[Callable[[Any], Any], int, bool] | None

ACCEPTED = re.compile(rb"[A-Za-z0-9._~+/=:-]{1,128}")
"""Identifiers that are taken from a request; others could forge lines of a log."""


def note_id(x: Head, field: bytes) -> None:
    """Sets the context variable to the identifier that the engine gave a request.

    Args:
        x: the request.
        field: where the engine tells it.
    """
    given = x.header(field)
    # A head may have no room for one more field.
    request_id.set(new_id() if given is None else given.decode("latin-1"))


def identified(entries: Sequence[Entry], field: bytes) -> list[Entry]:
    """What the native runner calls when the engine gives requests their identifiers.

    Args:
        entries: what it would call otherwise, by route number.
        field: where the engine tells the identifier.
    """
    return [None if entry is None else (_after_noting(entry[0], field), *entry[1:]) for entry in entries]


def _after_noting(call: Callable[[Any], Any], field: bytes) -> Callable[[Any], Any]:
    def noting(x: Any) -> Any:
        note_id(x, field)
        return call(x)

    return noting


def new_id() -> str:
    """32 random hexadecimal digits."""
    return urandom(16).hex()


class RequestIdMiddleware(Layer):
    """Gives each request an identifier: that of its own field, or a new one.

    It is in `request.state.request_id`, in the context variable `request_id` of this module, and in the response.

    Args:
        app: the application inside.
        header_name: the field of requests and responses.
        trust_incoming: take the identifier that a request brings.
        generate: makes a new one; 32 random hexadecimal digits if it is None.
    """

    sees_websockets = True

    def __init__(
        self,
        app: AsgiApp,
        header_name: str = "X-Request-ID",
        *,
        trust_incoming: bool = True,
        generate: Callable[[], str] | None = None,
    ) -> None:
        self.app = app
        self.header_name = header_name
        self.trust_incoming = trust_incoming
        self.generate = new_id if generate is None else generate
        self._field = header_name.lower().encode("latin-1")

    def for_engine(self) -> dict[str, Any] | None:
        if type(self) is not RequestIdMiddleware or self.generate is not new_id:
            return None
        return {"kind": "request_id", "field": self._field.decode("latin-1"), "trust": self.trust_incoming}

    def _id_of(self, head: Head) -> str:
        given = head.header(self._field) if self.trust_incoming else None
        return given.decode("ascii") if given is not None and ACCEPTED.fullmatch(given) else self.generate()

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Answers a request that has an identifier."""
        name = self._id_of(request.exchange)
        request.state.request_id = name
        request_id.set(name)  # and left so, for the log of an exception that comes through here
        response = await call_next(request)
        response.headers[self.header_name] = name
        return response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one ASGI 3 connection; WebSockets have an identifier too."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        name = self._id_of(ScopeHead(scope))
        scope.setdefault("state", {})["request_id"] = name

        async def marked(message: Any) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                headers_of(message)[self.header_name] = name
            await send(message)

        request_id.set(name)
        await self.app(scope, receive, marked)
