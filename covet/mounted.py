"""Runs an application of its own below a path of another one, for one request."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from covet.asgi.exchange import AsgiExchange
from covet.core import Exchange

if TYPE_CHECKING:
    from covet.requests import Context

AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]


def asgi_of(app: Any) -> AsgiApp:
    """An ASGI application for something that can be mounted.

    Args:
        app: a CovetPy, ASGI or WSGI application, or a router.

    Raises:
        NotAnApplication: it is none of them.
    """
    from covet.interfaces.detect import interface_of
    from covet.routers import APIRouter

    if isinstance(app, APIRouter):
        from covet.app import CovetPy

        holder = CovetPy(openapi_url=None)
        holder.include_router(app)
        return holder
    if interface_of(app) == "wsgi":
        from covet.middleware.wsgi import WSGIMiddleware

        wrapped: AsgiApp = WSGIMiddleware(app)
        return wrapped
    return cast(AsgiApp, app)


def entry_of(
    app: Any, prefix_of: Callable[[Exchange], tuple[str, Mapping[str, str]]], context: "Context"
) -> Callable[[Exchange], Any]:
    """What the runner calls for requests that belong to another application.

    Args:
        app: the other application.
        prefix_of: gives the path that is taken off, decoded, and its parameters.
        context: what the requests of the application around have in common.
    """
    asgi = asgi_of(app)
    get_response = getattr(app, "response_to", None)  # an application that need not send by itself

    async def call(x: Exchange) -> Any:
        prefix, params = prefix_of(x)
        if x.websocket:
            await _websocket(asgi, x, prefix, params, context)
            return None
        if isinstance(x, AsgiExchange):
            scope = dict(x.original_scope)
            scope["root_path"] = scope.get("root_path", "").rstrip("/") + prefix
            scope["path_params"] = {**scope.get("path_params", {}), **params}
            scope["app_root_path"] = scope.get("app_root_path", x.root_path)
        else:
            scope = _scope_of(x, prefix, params, context)
        if get_response is not None:
            return await get_response(scope)
        if context.behind_layers:
            from covet.middleware.relay import response_from

            return await response_from(asgi, scope, context.request_of(x))
        if isinstance(x, AsgiExchange):
            await x.hand_over(asgi, scope)
        else:
            await _over_the_engine(asgi, x, scope)
        return None

    return call


def _scope_of(x: Exchange, prefix: str, params: Mapping[str, str], context: "Context") -> dict[str, Any]:
    scope = x.scope({"type": "http", "asgi": None, "root_path": "", "state": None, "extensions": None})
    scope["asgi"] = {"version": "3.0", "spec_version": "2.4"}
    scope["state"] = dict(context.state)
    scope["extensions"] = {"http.response.pathsend": {}}
    outer = context.root_path
    if outer:
        scope["path"] = outer + scope["path"]
        scope["raw_path"] = outer.encode() + scope["raw_path"]
    scope["root_path"] = outer + prefix
    scope["app_root_path"] = outer
    scope["path_params"] = dict(params)
    return scope


async def _websocket(asgi: AsgiApp, x: Exchange, prefix: str, params: Mapping[str, str], context: "Context") -> None:
    from covet.asgi.socket import AsgiSocket

    if isinstance(x, AsgiSocket):
        scope = dict(x.original_scope)
        scope["root_path"] = scope.get("root_path", "").rstrip("/") + prefix
    else:
        from covet.interfaces.asgi_socket import run, socket_scope

        scope = socket_scope(x, context.root_path, context.state)
        scope["root_path"] = context.root_path + prefix
    scope["path_params"] = {**scope.get("path_params", {}), **params}
    scope["app_root_path"] = scope.get("app_root_path", context.root_path)
    if isinstance(x, AsgiSocket):
        await x.hand_over(asgi, scope)
    else:
        await run(asgi, x, scope)


async def _over_the_engine(asgi: AsgiApp, x: Exchange, scope: dict[str, Any]) -> None:
    from covet.interfaces.asgi import Cycle, returned

    cycle = Cycle(x)
    await asgi(scope, cycle.receive, cycle.send)
    if not x.done:
        returned(x, None)
