"""Runs layers around the routes without ASGI: requests and responses are handed on as they are."""

import copy
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from types import CoroutineType
from typing import Any, cast

from covet.config import Settings
from covet.core import Exchange
from covet.dispatch import Dispatcher, known
from covet.interfaces.answers import toggled
from covet.middleware import Middleware
from covet.middleware.base import (
    AsgiApp,
    DispatchFunction,
    Inside,
    Layer,
    RequestResponseEndpoint,
    dispatch_of,
    is_layer,
)
from covet.middleware.registry import PASSED
from covet.requests import Context, EngineRequest, Request
from covet.responses import Answer, Response
from covet.routing import Route, all_methods, last_resorts
from covet.streaming import StreamingResponse

Entry = tuple[Callable[[Exchange], Any], int, bool] | None


OwnRequest = Callable[[Exchange], EngineRequest]

REROUTED = "covet.rerouted"
"""The member of a scope that says that a change of it has been heeded."""


def chained(
    layers: Sequence[Middleware],
    routes: Sequence[Route],
    entries: Sequence[Entry],
    context: Context,
    dispatcher: Dispatcher,
    settings: Settings,
) -> list[Entry]:
    """What the native runner calls when there are layers around the routes.

    Args:
        layers: the outermost first.
        routes: the application's routes, which are numbered from 1.
        entries: what it would call without them, by route number.
        context: what the requests have in common.
        dispatcher: makes responses of what handlers return and raise.
        settings: what the application is served with.
    """
    unmatched = Unmatched(routes, entries[0], context)
    rerouted = Rerouted(context, settings)
    call_next = endpoint(routes, [(unmatched, 404, False), *entries[1:]], context.request_of, dispatcher, rerouted)
    request_of = context.request_of
    layered = {
        number: _wrapped(route.middleware, call_next, request_of)
        for number, route in enumerate(routes, 1)
        if route.middleware
    }
    if layered:
        call_next = _by_route(layered, call_next, request_of, last_resorts(routes))
    call_next = _wrapped(layers, call_next, request_of)

    async def call(x: Exchange) -> Response | None:
        if x.websocket:  # the layers are for requests
            await cast(Any, entries[x.route])[0](x)
            return None
        request = request_of(x)
        try:
            response = await call_next(request)
        except BaseException:
            await closed(request)
            raise
        if not isinstance(response, Response):
            response = checked(response)
        if "_iterator" in response.__dict__:
            response = replaced(response)
        if request.exits is None:
            return response
        await sent(x, response, request.exits)
        return None

    return [(call, 200, False)] * len(entries)


def _wrapped(
    layers: Sequence[Middleware], call_next: RequestResponseEndpoint, own: OwnRequest
) -> RequestResponseEndpoint:
    for middleware in reversed(layers):
        if is_layer(middleware.cls):
            call_next = _around(dispatch_of(cast(Layer, middleware.make(Inside()))), call_next)
        else:
            from covet.middleware.relay import AsgiLayer

            call_next = _around(AsgiLayer(middleware, own).dispatch, call_next)
    return call_next


def _by_route(
    layered: Mapping[int, RequestResponseEndpoint],
    otherwise: RequestResponseEndpoint,
    own: OwnRequest,
    last_resort: Callable[[str], int],
) -> RequestResponseEndpoint:
    """Goes through the middleware of the routers that the request's route belongs to."""

    def choose(request: Request) -> Any:
        x = request.exchange
        number = x.route or (last_resort(x.path) if x.verdict == 404 else 0)
        if number in layered and not _is_changed(own(x)):
            return layered[number](request)
        return otherwise(request)

    return choose


def _is_changed(request: EngineRequest) -> bool:
    """Whether a middleware has changed what the request asks for; once that has been heeded, no more."""
    return request.changes_scope() and REROUTED not in request.scope


def _around(dispatch: DispatchFunction, call_next: RequestResponseEndpoint) -> RequestResponseEndpoint:
    def layer(request: Request) -> Any:
        return dispatch(request, call_next)

    return layer


async def sent(x: Exchange, response: Response, exits: AsyncExitStack) -> None:
    """Sends a response, and then leaves what was entered for it. Raises what either raises."""
    async with exits:
        answer = response.answer(x)
        if answer is not None:
            await answer


async def closed(request: EngineRequest) -> None:
    """Leaves what was entered for a request whose middleware has raised an exception, which is known to it."""
    if request.exits is not None:
        await request.exits.__aexit__(*sys.exc_info())


def checked(response: Any) -> Response:
    """What a middleware returned, as a response of ours; Starlette's are taken too.

    Raises:
        TypeError: it is no response.
    """
    ours = known(response)
    if not isinstance(ours, Response):
        raise TypeError(f"a middleware must return a response, not {type(response).__name__}")
    return ours


def endpoint(
    routes: Sequence[Route],
    entries: Sequence[Entry],
    request_of: Callable[[Exchange], EngineRequest],
    dispatcher: Dispatcher,
    rerouted: Callable[[EngineRequest], Awaitable[Response]],
) -> RequestResponseEndpoint:
    """The innermost `call_next`: it calls the handler of the request's route and gives the response, unsent."""

    async def respond(request: Request) -> Response:
        x = request.exchange
        own = request_of(x)
        if _is_changed(own):
            return await rerouted(own)
        entry = entries[x.route]
        if entry is None:
            return _copied(routes[x.route - 1])
        own.hand_on()
        try:
            result = entry[0](x)
            if type(result) is CoroutineType:
                result = await result
            if x.started or x.done:
                return Sent(None, 200)
            response = result if isinstance(result, Response) else await dispatcher.response_of(x, result)
            # Middleware sees what is sent of a file, or that nothing is.
            select = getattr(response, "selected_for", None)
            return response if select is None else cast(Response, select(x))
        except Exception as error:
            if x.started or x.done:
                raise
            return await dispatcher.recover(x, error)

    return respond


def _copied(route: Route) -> Response:
    """A constant answer; its header fields may be changed for one request."""
    assert route.constant is not None  # only constants have no handler
    response = copy.copy(route.constant)
    response.raw_headers = route.constant.raw_headers[:]
    return response


class Rerouted:
    """Answers requests whose scope a middleware has changed: they are routed anew, by ASGI.

    Args:
        context: what the requests have in common.
        settings: what the application is served with.
    """

    def __init__(self, context: Context, settings: Settings) -> None:
        self._context = context
        self._settings = settings
        self._inside: AsgiApp | None = None

    async def __call__(self, request: EngineRequest) -> Response:
        from covet.middleware.relay import response_from

        if self._inside is None:
            from covet.asgi.app import AsgiApplication

            application = AsgiApplication(self._context.app, self._settings, placement=PASSED, behind_engine=True)
            self._inside = application.inside
        request.scope[REROUTED] = True
        return await response_from(self._inside, request.scope, request)


class Unmatched:
    """Answers what no route matched as the engine does.

    Args:
        routes: the application's routes.
        entry: what answers unknown paths and methods.
        context: what the requests have in common.
    """

    def __init__(self, routes: Sequence[Route], entry: Entry, context: Context) -> None:
        assert entry is not None
        self._routes = routes
        self._call = entry[0]
        self._context = context

    def __call__(self, x: Exchange) -> Any:
        if x.verdict == 307:
            response = Response(None, 307)
            response.raw_headers.append((b"location", toggled(x, self._context.front_of(x)[1])))
            return response
        if x.method == "OPTIONS" and x.target == b"*":
            return Response(None, 204, {"allow": ", ".join(all_methods(self._routes))})
        return self._call(x)


class Sent(Response):
    """Stands for a response that a handler sent by itself."""

    def answer(self, x: Exchange) -> Answer:
        """There is nothing to send."""
        return None


def replaced(response: Response) -> Response:
    """The response with the body that a middleware has put in the place of its own."""
    if isinstance(response, StreamingResponse):
        return response
    other = StreamingResponse(response.body_iterator, response.status_code, background=response.background)
    other.raw_headers = [pair for pair in response.raw_headers if pair[0] != b"content-length"]
    return other
