"""Runs an application of its own below a path of another one, for one request."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from covet.asgi.exchange import AsgiExchange
from covet.core import Exchange

if TYPE_CHECKING:
    from covet.requests import Context
    from covet.routing import Route

AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]
PrefixOf = Callable[[Exchange], tuple[str, Mapping[str, Any]]]

TOLD = ("app", "app_root_path", "endpoint", "path_params", "root_path", "route")
"""Members of a scope that middleware outside of a mounted application finds as that one has left them."""


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

        holder = CovetPy(openapi_url=None, redirect_slashes=app.redirect_slashes)
        holder.is_router = True
        holder.include_router(app)
        if app.default is not None:
            from covet.mounts import Otherwise

            holder.router.routes.append(Otherwise(app))
        return holder
    if interface_of(app) == "wsgi":
        from covet.middleware.wsgi import WSGIMiddleware

        wrapped: AsgiApp = WSGIMiddleware(app)
        return wrapped
    return cast(AsgiApp, app)


def entry_of(route: "Route", prefix_of: PrefixOf, context: "Context") -> Callable[[Exchange], Any]:
    """What the runner calls for requests that belong to another application.

    Args:
        route: the route that has the other application.
        prefix_of: gives the path that is taken off, decoded, and its parameters.
        context: what the requests of the application around have in common.
    """
    app = route.answered_by
    asgi = asgi_of(app)
    get_response = getattr(app, "response_to", None)  # an application that need not send by itself

    async def call(x: Exchange) -> Any:
        if x.websocket:
            await _websocket(asgi, x, route, prefix_of(x), context)
            return None
        scope = dict(x.original_scope) if isinstance(x, AsgiExchange) else _scope_of(x, context)
        _tell(scope, route, prefix_of(x), context)
        try:
            if get_response is not None:
                return await get_response(scope)
            if context.behind_layers:
                from covet.middleware.relay import response_from

                return await response_from(asgi, scope, context.request_of(x))
            if isinstance(x, AsgiExchange):
                await x.hand_over(asgi, scope, lambda: _tell_around(x, scope, context))
            else:
                await _over_the_engine(asgi, x, scope)
            return None
        finally:
            if context.behind_layers or isinstance(x, AsgiExchange):
                _tell_around(x, scope, context)

    return call


def _tell_around(x: Exchange, scope: Mapping[str, Any], context: "Context") -> None:
    told = {name: scope[name] for name in TOLD if name in scope}
    if isinstance(x, AsgiExchange):
        x.note(**told)
    else:
        context.request_of(x).scope.update(told)


def _tell(scope: dict[str, Any], route: "Route", matched: tuple[str, Mapping[str, Any]], context: "Context") -> None:
    """Says in a scope what was matched, as Starlette's routers do: the outermost router is in it, and stays."""
    prefix, params = matched
    outer = scope.get("root_path", "").rstrip("/")
    if outer and not scope["path"].startswith(outer + "/"):
        # The proxy has taken it off; what is mounted finds its own path behind it.
        scope["path"] = outer + scope["path"]
        if "raw_path" in scope:
            scope["raw_path"] = outer.encode() + scope["raw_path"]
    scope.setdefault("app", context.app)
    scope.setdefault("router", context.app.router)
    scope.setdefault("app_root_path", outer)
    scope["root_path"] = outer + prefix
    scope["path_params"] = {**scope.get("path_params", {}), **params}
    scope["route"], scope["endpoint"] = route, route.answered_by


def _scope_of(x: Exchange, context: "Context") -> dict[str, Any]:
    scope = x.scope({"type": "http", "asgi": None, "root_path": "", "state": None, "extensions": None})
    scope["asgi"] = {"version": "3.0", "spec_version": "2.4"}
    scope["state"] = context.new_state()
    scope["extensions"] = {"http.response.pathsend": {}}
    front, raw_front = context.front_of(x)
    if front:
        scope["path"], scope["raw_path"] = front + scope["path"], raw_front + scope["raw_path"]
    scope["root_path"] = context.root_path
    return scope


async def _websocket(
    asgi: AsgiApp, x: Exchange, route: "Route", matched: tuple[str, Mapping[str, Any]], context: "Context"
) -> None:
    from covet.asgi.socket import AsgiSocket

    if isinstance(x, AsgiSocket):
        scope = dict(x.original_scope)
        _tell(scope, route, matched, context)
        await x.hand_over(asgi, scope)
    else:
        from covet.interfaces.asgi_socket import run, socket_scope

        scope = socket_scope(x, context.root_path, context.new_state(), context.front_of(x))
        _tell(scope, route, matched, context)
        await run(asgi, x, scope)


async def _over_the_engine(asgi: AsgiApp, x: Exchange, scope: dict[str, Any]) -> None:
    from covet.interfaces.asgi import Cycle, returned

    cycle = Cycle(x)
    await asgi(scope, cycle.receive, cycle.send)
    if not x.done:
        returned(x, None)
