"""From a WebSocket route's handler, and its exceptions, to the end of the connection."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, cast

from covet.concurrency import run_in_threadpool
from covet.core import Exchange
from covet.encoders import encode
from covet.exceptions import (
    RAISED,
    WebSocketDisconnect,
    WebSocketException,
    WebSocketRequestValidationError,
    is_http_exception,
    is_like,
)
from covet.modelfield import Errors
from covet.requests import Context
from covet.socketport import EngineSocket
from covet.solve import Plan, Solved, Stacks, overridden
from covet.websockets import DENIAL, EngineWebSocket, WebSocket, WebSocketState, params_of

if TYPE_CHECKING:
    from covet.asgi.socket import AsgiSocket
    from covet.mounts import WebSocketRoute

logger = logging.getLogger("covet.error")

NORMAL, POLICY, INTERNAL, RESTART = 1000, 1008, 1011, 1012
MOST_REASON = 123
"""Bytes of a close reason (RFC 6455, section 5.5)."""

FORBIDDEN, NOT_FOUND, SERVER_ERROR = 403, 404, 500

MOST_CODE = 4999

SocketHandler = Callable[[WebSocket], Awaitable[None]]
ExceptionHandlers = Mapping[int | type[Exception], Callable[..., Any]]


def entry_of(route: "WebSocketRoute", context: Context) -> Callable[[Exchange], Coroutine[Any, Any, None]]:
    """What the runner calls for a WebSocket route.

    Args:
        route: the route.
        context: what the requests of the application have in common.
    """
    handler = _endpoint(route, context).run
    own = route.exception_handlers

    def call(x: Exchange) -> Coroutine[Any, Any, None]:
        websocket = websocket_of(x, context)
        handlers = {**context.app.exception_handlers, **own} if own else context.app.exception_handlers
        return serve(websocket, handler, handlers, raises=not isinstance(x, Exchange))

    if not route.middleware:
        return call
    from covet.middleware.sockets import layered

    return layered(route.middleware, call, context)


async def not_found(x: Exchange, context: Context) -> None:
    """Refuses a connection that no route is for."""
    await _deny(websocket_of(x, context), NOT_FOUND, encode({"detail": "Not Found"}), b"application/json")


def _endpoint(route: "WebSocketRoute", context: Context) -> "SocketEndpoint":
    if not context.traced:
        return SocketEndpoint(route)
    from covet.telemetry.endpoint import TracedSocketEndpoint

    return TracedSocketEndpoint(route)


def websocket_of(x: Exchange, context: Context) -> WebSocket:
    """The WebSocket of an exchange, over the engine or an ASGI server."""
    if isinstance(x, Exchange):
        return EngineWebSocket(EngineSocket(x), context)
    own = cast("AsgiSocket", x)
    scope = own.original_scope
    scope.setdefault("app", context.app)
    scope.setdefault("router", context.app.router)
    scope.setdefault("state", dict(own.lifespan_state))
    scope["path_params"] = {**scope.get("path_params", {}), **params_of(x, context)}
    if x.route:
        scope["route"] = route = context.app.routes[x.route - 1]
        scope["endpoint"] = route.answered_by
    return WebSocket.over(own, scope)


class SocketEndpoint:
    """Calls a WebSocket route's handler with what it depends on.

    Args:
        route: the route.
    """

    def __init__(self, route: "WebSocketRoute") -> None:
        self.route = route
        self.plan = Plan(route.dependant)
        self._overridden: tuple[Any, Plan] | None = None

    def current(self) -> Plan:
        """The plan, with what `dependency_overrides` says now."""
        provider = self.route.dependency_overrides_provider
        overrides = provider.dependency_overrides if provider is not None else {}
        if not overrides:
            return self.plan
        key = tuple(overrides.items())
        if self._overridden is None or self._overridden[0] != key:
            self._overridden = (key, Plan(overridden(self.route.dependant, dict(overrides), self.route.param_names)))
        return self._overridden[1]

    async def run(self, websocket: WebSocket) -> None:
        """Runs the handler.

        Raises:
            WebSocketRequestValidationError: the opening request does not fit the parameters.
            Exception: what dependencies and the handler raise.
        """
        plan = self.current()
        async with AsyncExitStack() as request_stack, AsyncExitStack() as function_stack:
            solved, errors = await self.solve(plan, websocket, Stacks(request_stack, function_stack))
            if errors:
                raise self.misfit(errors, websocket)
            await self.call(plan, solved)

    async def solve(self, plan: Plan, websocket: WebSocket, stacks: Stacks) -> tuple[Solved, Errors]:
        """What the handler is to be called with, and what is wrong with the opening request."""
        return await plan.solve(websocket, stacks)

    def misfit(self, errors: Errors, websocket: WebSocket) -> WebSocketRequestValidationError:
        """The exception that says what is wrong."""
        place = self.route.place("WS", websocket.scope.get("root_path", ""))
        return WebSocketRequestValidationError(errors, endpoint_ctx=place)

    async def call(self, plan: Plan, solved: Solved) -> None:
        """Calls the handler. Raises what it raises."""
        result = plan.dependant.call(**solved.values)
        if inspect.isawaitable(result):
            await result


async def serve(
    websocket: WebSocket, handler: SocketHandler, handlers: ExceptionHandlers, *, raises: bool = False
) -> None:
    """Runs a handler, and sees to it that the connection is closed afterwards.

    Args:
        websocket: the connection.
        handler: what is called with it.
        handlers: the application's exception handlers; those for a class of exceptions count.
        raises: whoever called this sees to exceptions that nobody has handled, as ASGI servers and test clients do.

    Raises:
        Exception: what nobody has handled, if `raises`; the connection is closed by then.
    """
    try:
        await handler(websocket)
        await _finish(websocket)
    except asyncio.CancelledError:
        await _give_up(websocket, RESTART, 503)
        raise
    except RAISED as error:
        try:
            unhandled = await _failed(websocket, error, handlers)
        except RAISED as failure:
            unhandled = failure
        if unhandled is None:
            return
        if not raises and not isinstance(unhandled, WebSocketDisconnect):
            _log(websocket, unhandled)
        if not raises or websocket.application_state is WebSocketState.CONNECTED:
            await _give_up(websocket, INTERNAL, SERVER_ERROR)
        if raises:
            raise unhandled from unhandled.__cause__


async def _finish(websocket: WebSocket) -> None:
    """What follows when a handler has returned."""
    if websocket.application_state is WebSocketState.CONNECTED:
        await websocket.close(NORMAL)
    elif websocket.application_state is WebSocketState.CONNECTING:
        logger.error("The handler of the WebSocket %s returned without accepting or closing it", websocket.url.path)
        await _deny(websocket, SERVER_ERROR, b"Internal Server Error", b"text/plain; charset=utf-8")


async def _failed(websocket: WebSocket, error: BaseException, handlers: ExceptionHandlers) -> BaseException | None:
    """Closes the connection as an exception asks for; gives the exception if nobody has handled it."""
    own = _handler_of(error, handlers)
    if own is not None:
        result = own(websocket, error) if inspect.iscoroutinefunction(own) else run_in_threadpool(own, websocket, error)
        await result
        await _finish(websocket)
    elif is_like(error, WebSocketException):
        await _give_up(websocket, error.code, FORBIDDEN, error.reason)
    elif is_like(error, WebSocketRequestValidationError):
        await _give_up(websocket, POLICY, FORBIDDEN, encode(error.errors()).decode())
    elif is_http_exception(error):
        if websocket.application_state is WebSocketState.CONNECTING:
            fields = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in (error.headers or {}).items()]
            await _deny(websocket, error.status_code, encode({"detail": error.detail}), b"application/json", fields)
        else:
            code = INTERNAL if error.status_code >= SERVER_ERROR else POLICY
            await _give_up(websocket, code, SERVER_ERROR, str(error.detail))
    else:
        return error
    return None


def _handler_of(error: BaseException, handlers: ExceptionHandlers) -> Callable[..., Any] | None:
    """The application's own handler; those for everything answer requests, not WebSockets."""
    for kind in type(error).__mro__:
        if kind is Exception:
            break
        if kind in handlers:
            return handlers[kind]
    return None


async def _give_up(websocket: WebSocket, code: int, status: int, reason: str = "") -> None:
    """Closes a connection that is open, and refuses one that is not accepted."""
    short = reason.encode()[:MOST_REASON].decode(errors="ignore")
    if websocket.application_state is WebSocketState.CONNECTED:
        if websocket.client_state is not WebSocketState.DISCONNECTED:
            await websocket.close(code if NORMAL <= code <= MOST_CODE else INTERNAL, short)
    elif websocket.application_state is WebSocketState.CONNECTING:
        if status == FORBIDDEN:
            await websocket.close(code if NORMAL <= code <= MOST_CODE else POLICY, short)
        elif status == SERVER_ERROR:
            await _deny(websocket, status, b"Internal Server Error", b"text/plain; charset=utf-8")
        else:
            await _deny(websocket, status, b"", b"text/plain; charset=utf-8")


async def _deny(
    websocket: WebSocket, status: int, body: bytes, media_type: bytes, fields: list[tuple[bytes, bytes]] | None = None
) -> None:
    """Refuses the handshake with an HTTP response, or as the server can."""
    if websocket.client_state is WebSocketState.CONNECTING:
        await websocket.receive()
    if DENIAL not in (websocket.scope.get("extensions") or {}):
        await websocket.close(INTERNAL if status >= SERVER_ERROR else POLICY)
        return
    headers = [*(fields or ()), (b"content-type", media_type), (b"content-length", b"%d" % len(body))]
    await websocket.send({"type": f"{DENIAL}.start", "status": status, "headers": headers})
    await websocket.send({"type": f"{DENIAL}.body", "body": body})


def _log(websocket: WebSocket, error: BaseException) -> None:
    logger.error("Exception in the handler of the WebSocket %s", websocket.url.path, exc_info=error)
