"""Middleware of routers around their WebSockets: that which is made for ASGI; the rest is for requests."""

from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, cast

from covet.asgi.socket import AsgiSocket
from covet.core import Exchange
from covet.interfaces.asgi_socket import run, socket_scope
from covet.middleware import Middleware
from covet.middleware.base import AsgiApp, Receive, Scope, Send, is_layer

if TYPE_CHECKING:
    from covet.requests import Context

Call = Callable[[Exchange], Coroutine[Any, Any, None]]

MATCH = "covet.match"
"""The member of a scope that has the route's number and the parameters of the path."""


def layered(layers: Sequence[Middleware], call: Call, context: "Context") -> Call:
    """What the runner calls for a WebSocket route of routers with middleware.

    Args:
        layers: the outermost first.
        call: what it would call without them.
        context: what the requests of the application have in common.
    """

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        x = AsgiSocket(scope, receive, send, context.app.topics.local)
        x.lifespan_state = context.state
        x.route, x.params = scope[MATCH]
        await call(cast(Exchange, x))

    app: AsgiApp = inside
    for middleware in reversed(layers):
        if not is_layer(middleware.cls):
            app = middleware.make(app)

    async def through(x: Exchange) -> None:
        match = (x.route, tuple(x.path_str(i) for i in range(x.num_params)))
        if isinstance(x, Exchange):
            scope = socket_scope(x, context.root_path, context.new_state(), context.front_of(x))
            scope[MATCH] = match
            await run(app, x, scope)
        else:
            own = cast(AsgiSocket, x)
            own.original_scope[MATCH] = match
            await own.pass_to(app)

    return call if app is inside else through
