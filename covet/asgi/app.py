"""Serves a CovetPy application to an ASGI server (asgi.readthedocs.io, HTTP 2.4 and Lifespan 2.0)."""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from types import CoroutineType
from typing import TYPE_CHECKING, Any, cast

from covet.asgi.exchange import JSON, AsgiExchange, ResponseAborted
from covet.asgi.request import AsgiContext
from covet.asgi.router import Match, Router
from covet.concurrency import set_threads
from covet.core import Exchange, pack_fields
from covet.encoders import encode
from covet.interfaces.answers import plain_answer
from covet.interfaces.native import calls_of, param_names
from covet.lifespan import Lifespan

if TYPE_CHECKING:
    from covet.app import CovetPy

logger = logging.getLogger("covet.error")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

FAILURES = (Exception, asyncio.CancelledError)
"""What becomes an answer; anything else ends the event loop."""


class Version:
    """What an application answers, as long as nothing is registered.

    Args:
        app: the application.

    Raises:
        ValueError: a route's path cannot be used.
    """

    def __init__(self, app: "CovetPy") -> None:
        self._routes = tuple(app.routes)
        self._handlers = len(app.exception_handlers)
        self._forward_unmatched = app.answers_unmatched
        self._router = Router(self._routes, redirect_slashes=app.settings.redirect_slashes)
        self._calls = calls_of(self._routes, AsgiContext(app, param_names(self._routes), {}), app.settings)
        self._constants = {n: route.constant for n, route in enumerate(self._routes, 1) if route.constant is not None}

    def is_of(self, app: "CovetPy") -> bool:
        """Whether nothing was added to what the application had, or taken away."""
        return len(self._routes) == len(app.routes) and self._handlers == len(app.exception_handlers)

    async def answer(self, x: AsgiExchange) -> None:
        """Routes a request and answers it, or calls the handler that does."""
        match = self._router.lookup(x.raw_path, x.method)
        x.route, x.params = match.route, match.params
        if match.status in (404, 405) and self._forward_unmatched:
            x.verdict = match.status
        elif match.status:
            self._answer_unmatched(x, match)
            return
        constant = self._constants.get(match.route)
        if constant is not None:
            x.respond(constant.status_code, 0, pack_fields(constant.raw_headers), constant.body)
            return
        try:
            await self._handle(x)
        except FAILURES as error:
            await self._fail(cast(Exchange, x), error)
        _conclude(x)

    async def _handle(self, x: AsgiExchange) -> None:
        """From a handler to its answer, as the native runner does it."""
        exchange = cast(Exchange, x)
        entry = self._calls.entries[x.route]
        assert entry is not None  # only constants have none
        call, status, plain = entry
        result = call(exchange)
        if type(result) is CoroutineType:
            result = await result
        if x.done or x.started:
            return
        if plain and type(result) in (dict, list):
            x.respond(status, JSON, b"", self._calls.encode(result))
            return
        answer = self._calls.render(exchange, result)
        if answer is not None:
            await answer

    async def _fail(self, x: Exchange, error: BaseException) -> None:
        try:
            answer = self._calls.fail(x, error)
            if answer is not None:
                await answer
        except FAILURES as failure:
            if not x.cancelled:
                logger.error("Exception while answering an exception of %s %s", x.method, x.path, exc_info=failure)

    def _answer_unmatched(self, x: AsgiExchange, match: Match) -> None:
        """What the engine answers to requests that match no route."""
        if match.status == 307:
            x.respond(307, 0, pack_fields([(b"location", _toggled(x))]), b"")
        elif match.status == 405:
            _refuse(x, 405, "Method Not Allowed", (b"allow", ", ".join(match.allow).encode()))
        elif match.status == 400:
            _refuse(x, 400, match.reason)
        elif x.method == "OPTIONS" and x.raw_path == b"*":
            x.respond(204, 0, pack_fields([(b"allow", ", ".join(self._router.all_methods).encode())]), b"")
        else:
            _refuse(x, 404, "Not Found")


def _refuse(x: AsgiExchange, status: int, reason: str, *fields: tuple[bytes, bytes]) -> None:
    x.respond(status, JSON, pack_fields(fields), encode({"detail": reason}))


def _toggled(x: AsgiExchange) -> bytes:
    """The address of a request with the last slash of its path added or taken away."""
    host = x.host
    if not host and x.server is not None:
        host = f"{x.server[0]}:{x.server[1]}"
    path = x.raw_path[:-1] if x.raw_path.endswith(b"/") else x.raw_path + b"/"
    query = b"?" + x.query_string if x.query_string else b""
    return f"{x.scheme}://{host}{x.root_path}".encode("latin-1") + path + query


def _conclude(x: AsgiExchange) -> None:
    """What follows when nobody is left to complete the response."""
    if not x.done and not x.started and not x.cancelled:
        plain_answer(cast(Exchange, x), 500)
    if not x.done:
        x.abort()


class AsgiApplication:
    """A CovetPy application as an ASGI 3 application.

    It is made anew for requests when something has been registered since the last one.

    Args:
        app: the application.
    """

    def __init__(self, app: "CovetPy") -> None:
        self._app = app
        self._version: Version | None = None
        self._state: Mapping[str, Any] = {}
        self._max_body: int = app.settings.engine()["max_body_bytes"]
        self._limit = app.settings.request_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            await self._serve(scope, receive, send)
        elif kind == "lifespan":
            await self._live(scope, receive, send)
        elif kind == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000, "reason": ""})
        else:
            raise ValueError(f"a CovetPy application does not know ASGI scopes of type {kind!r}")

    def _current(self) -> Version:
        if self._version is None or not self._version.is_of(self._app):
            self._version = Version(self._app)
        return self._version

    def forget(self) -> None:
        """Something was registered: what the application answers is to be found out anew."""
        self._version = None

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        x = AsgiExchange(scope, receive, send, self._max_body)
        # Servers without the state extension share what the lifespan gave.
        x.lifespan_state = scope.get("state", self._state)
        task = asyncio.current_task()
        assert task is not None
        cancellations = task.cancelling()
        try:
            if 0 < self._max_body < x.content_length:
                _refuse(x, 413, "Request body too large", (b"connection", b"close"))
            else:
                if self._limit:
                    x.limit(self._limit)
                await self._current().answer(x)
            if x.interrupted:
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(0)  # a handler that did not wait any more has not taken it
            await x.flush()
        finally:
            x.close()
            if x.interrupted:
                task.uncancel()  # it was the handler that was cancelled, not the server's task
        if task.cancelling() > cancellations:
            raise asyncio.CancelledError  # the server's, which the handler has answered
        if x.failure is not None and not x.cancelled:
            # As with Starlette: servers log it, error trackers and test clients see it.
            raise x.failure
        if x.aborted and not x.cancelled:
            raise ResponseAborted(f"the response to {x.method} {x.path} was given up") from x.cause

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        lifespan = Lifespan(app, app.lifespan, app.startup_hooks, app.shutdown_hooks)
        try:
            await receive()
            await _told("startup", self._start(lifespan, scope), send)
            await receive()
            await _told("shutdown", lifespan.stop(), send)
        finally:
            lifespan.cancel()

    async def _start(self, lifespan: Lifespan, scope: Scope) -> None:
        self._current()  # a route that cannot be used ends the start
        set_threads(self._app.settings.threads)
        self._state = await lifespan.start()
        if "state" in scope:
            scope["state"].update(self._state)


async def _told(event: str, step: Awaitable[None], send: Send) -> None:
    """Tells the server how a step of the lifespan went. Raises what the step raises, as Starlette does."""
    try:
        await step
    except Exception:
        await send({"type": f"lifespan.{event}.failed", "message": traceback.format_exc()})
        raise
    await send({"type": f"lifespan.{event}.complete"})
