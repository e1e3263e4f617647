"""Serves a CovetPy application to an ASGI server (asgi.readthedocs.io, HTTP 2.4 and Lifespan 2.0)."""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from types import CoroutineType
from typing import TYPE_CHECKING, Any, cast

from covet.asgi.exchange import JSON, AsgiExchange
from covet.asgi.request import AsgiContext
from covet.asgi.router import Match, Router
from covet.asgi.serving import answer_with, complete
from covet.asgi.socket import AsgiSocket
from covet.concurrency import set_threads
from covet.config import Settings
from covet.core import Exchange, pack_fields
from covet.dispatch import Dispatcher
from covet.encoders import encode
from covet.exceptions import RAISED, RequestValidationError, is_http_exception, is_like
from covet.handlers import HandlerTable
from covet.interfaces.answers import plain_answer, toggled
from covet.interfaces.native import calls_of, param_names
from covet.lifespan import Lifespan
from covet.middleware.registry import Placement
from covet.routing import WEBSOCKET, Route, last_resorts

if TYPE_CHECKING:
    from covet.app import CovetPy

logger = logging.getLogger("covet.error")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

FAILURES = (*RAISED, asyncio.CancelledError)
"""What becomes an answer."""


class Version:
    """What an application answers, as long as nothing is registered.

    Args:
        app: the application.
        settings: what it is served with.
        placement: where its middleware runs.

    Raises:
        ValueError: a route's path cannot be used.
    """

    def __init__(self, app: "CovetPy", settings: Settings, placement: Placement) -> None:
        self._settings = settings
        self._guarded = bool(placement)
        self._raises = bool(placement.outer)
        self._routes = tuple(app.routes)
        self._handlers = len(app.exception_handlers)
        self._forward_unmatched = app.answers_unmatched
        self._router = Router(self._routes, redirect_slashes=settings.redirect_slashes)
        self._last_resort = last_resorts(self._routes)
        self._sockets = Router(self._routes, redirect_slashes=False, sockets=True)
        self._context = AsgiContext(app, param_names(self._routes), {})
        self._calls = calls_of(self._routes, self._context, settings, placement)
        self._constants = {n: route.constant for n, route in enumerate(self._routes, 1) if route.constant is not None}

    def is_of(self, app: "CovetPy") -> bool:
        """Whether nothing was added to what the application had, or taken away."""
        return len(self._routes) == len(app.routes) and self._handlers == len(app.exception_handlers)

    async def answer(self, x: AsgiExchange) -> None:
        """Routes a request and answers it, or calls the handler that does."""
        match = self._router.lookup(x.raw_path, x.method)
        x.route, x.params = match.route, match.params
        last = self._last_resort(x.path) if match.status == 404 else 0
        if self._context.traced:
            self._note_match(x, self._router, Match(0, last) if last else match)
        forwarded = (307, 404, 405) if self._guarded else (404, 405) if self._forward_unmatched else ()
        if last or match.status in forwarded:
            x.verdict = match.status
        elif match.status:
            self._answer_unmatched(x, match)
            return
        constant = self._constants.get(match.route)
        if constant is not None and not self._guarded and not self._routes[match.route - 1].middleware:
            x.respond(constant.status_code, 0, pack_fields(constant.raw_headers), constant.body)
            return
        if match.route and (self._raises or "route" in x.original_scope):
            self._tell_scope(x, self._routes[match.route - 1])
        try:
            await self._handle(x)
        except FAILURES as error:
            if self._raises and not x.interrupted and not x.started:
                raise  # middleware comes next
            await self._fail(cast(Exchange, x), error)
        _conclude(x)

    async def serve_socket(self, x: AsgiSocket) -> None:
        """Routes a WebSocket and calls its handler; without a route it is refused."""
        match = self._sockets.lookup(x.raw_path, WEBSOCKET)
        x.route, x.params = match.route, match.params
        if self._context.traced:
            self._note_match(x, self._sockets, match)
        last = self._last_resort(x.path) if match.status == 404 else 0
        if last and self._routes[last - 1].may_be_websocket:
            match = Match(0, last)
        entry = self._calls.entries[match.route] if match.status == 0 else None
        if entry is None:
            await x.connect()
            await x.refuse(400 if match.status == 400 else 404)
            return
        await entry[0](cast(Exchange, x))

    def _note_match(self, x: AsgiExchange | AsgiSocket, router: Router, match: Match) -> None:
        from covet.telemetry.routes import note_match

        note_match(x.original_scope, self._routes, router, x.raw_path, match)

    def _tell_scope(self, x: AsgiExchange, route: Route) -> None:
        """Middleware reads there what was matched, once it has the answer."""
        params = self._context.request_of(cast(Exchange, x)).path_params
        x.note(route=route, endpoint=route.answered_by, path_params=params)

    def fail(self, x: Exchange, error: BaseException) -> Any:
        """Answers an exception that no middleware has taken; a coroutine if that takes waiting."""
        return self._calls.fail(x, error)

    async def recover(self, x: AsgiExchange, error: Exception) -> None:
        """Answers an exception as those inside of the middleware are. Raises it if nobody handles it."""
        handlers = self._context.app.exception_handlers
        dispatcher = Dispatcher(self._context, handlers, {}, debug=self._settings.debug)
        await answer_with(x, await dispatcher.recover(cast(Exchange, x), error))

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
            x.respond(307, 0, pack_fields([(b"location", toggled(cast(Exchange, x), x.raw_root))]), b"")
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
        settings: what it is served with; its own if it is None.
        placement: where its middleware runs, if that has been decided.
        behind_engine: the engine sees to the limits of requests.
    """

    def __init__(
        self,
        app: "CovetPy",
        settings: Settings | None = None,
        *,
        placement: Placement | None = None,
        behind_engine: bool = False,
    ) -> None:
        self.app = app
        self.state: Mapping[str, Any] = {}
        self._settings = settings or app.settings
        self._version: Version | None = None
        self._placement = placement
        self._entry: Callable[[Scope, Receive, Send], Awaitable[None]] | None = None
        self._max_body: int = 0 if behind_engine else self._settings.engine()["max_body_bytes"]
        self._limit = None if behind_engine else self._settings.request_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._entry is None:
            self._entry = self._with_middleware()
        if not self.app.is_router:
            scope["app"] = self.app
        scope.setdefault("router", self.app.router)  # the outermost one, which knows the names of all
        await self._entry(scope, receive, send)

    def _with_middleware(self) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
        outer = self._placed().outer
        if not outer:
            return self.inside
        from covet.middleware.stack import Stack

        stack, telemetry = Stack(self, outer), self._placed().telemetry
        if telemetry is None:
            return stack
        from covet.telemetry.server import ServerTelemetry

        return ServerTelemetry(stack, telemetry)

    @property
    def gives_ids(self) -> bool:
        """Whether the engine gives requests identifiers."""
        return self._placed().id_field is not None

    def _placed(self) -> Placement:
        if self._placement is None:
            self._placement = self.app.place_middleware()
        return self._placement

    async def inside(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application within the middleware that needs ASGI."""
        kind = scope["type"]
        if kind == "http":
            await self._serve(scope, receive, send)
        elif kind == "lifespan":
            await self._live(scope, receive, send)
        elif kind == "websocket":
            x = AsgiSocket(scope, receive, send, self.app.topics.local)
            x.lifespan_state = scope.get("state", self.state)
            await self.current().serve_socket(x)
        else:
            raise ValueError(f"a CovetPy application does not know ASGI scopes of type {kind!r}")

    async def recover(self, scope: Scope, receive: Receive, send: Send, error: Exception) -> None:
        """Answers an exception as those inside of the middleware are. Raises it if nobody handles it."""
        x = AsgiExchange(scope, receive, send)
        x.lifespan_state, x.shares_state = scope.get("state", self.state), True
        await complete(x, self.current().recover(x, error))

    def use(self, settings: Settings) -> None:
        """Serves with these settings."""
        self._settings = settings
        self.forget()

    def current(self) -> Version:
        """What the application answers now."""
        if self._version is None or not self._version.is_of(self.app):
            self._version = Version(self.app, self._settings, self._placed())
        return self._version

    def forget(self) -> None:
        """Something was registered: what the application answers is to be found out anew."""
        self._version = None

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        x = AsgiExchange(scope, receive, send, self._max_body)
        # Servers without the state extension share what the lifespan gave.
        x.lifespan_state = scope.get("state", self.state)
        x.shares_state = bool(self._placed().outer)
        await complete(x, self._answer(x), self._has_handler)

    def _has_handler(self, error: Exception) -> bool:
        """Whether an exception is answered inside of the middleware."""
        table = HandlerTable(self.app.exception_handlers)
        found = table.find(error)
        known = is_http_exception(error) or is_like(error, RequestValidationError)
        return known or (found is not None and found not in table.outermost)

    async def _answer(self, x: AsgiExchange) -> None:
        if 0 < self._max_body < x.content_length:
            _refuse(x, 413, "Request body too large", (b"connection", b"close"))
            return
        if self._limit:
            x.limit(self._limit)
        await self.current().answer(x)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.app
        lifespan = Lifespan(app, app.router.lifespan_context)
        try:
            await receive()
            await _told("startup", self._start(lifespan, scope), send)
            await receive()
            await _told("shutdown", lifespan.stop(), send)
        finally:
            lifespan.cancel()

    async def _start(self, lifespan: Lifespan, scope: Scope) -> None:
        self.current()  # a route that cannot be used ends the start
        set_threads(self._settings.threads)
        self.state = await lifespan.start()
        if "state" in scope:
            scope["state"].update(self.state)


async def _told(event: str, step: Awaitable[None], send: Send) -> None:
    """Tells the server how a step of the lifespan went. Raises what the step raises, as Starlette does."""
    try:
        await step
    except Exception:
        await send({"type": f"lifespan.{event}.failed", "message": traceback.format_exc()})
        raise
    await send({"type": f"lifespan.{event}.complete"})
