"""Middleware that is called with the request and with what answers it."""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, ClassVar

from covet.middleware import Middleware
from covet.requests import Request
from covet.responses import Response

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
AsgiApp = Callable[[Any, Receive, Send], Awaitable[None]]

RequestResponseEndpoint = Callable[[Request], Awaitable[Response]]
DispatchFunction = Callable[[Request, RequestResponseEndpoint], Awaitable[Response]]


class Layer:
    """A middleware that may stand right around the routes, where requests and responses need no ASGI.

    What derives from it has `dispatch`, and `__call__` for its place in an ASGI application, to the same effect.
    """

    sees_websockets: ClassVar[bool] = False
    """Whether WebSockets concern it too; then it stands there only where the application has none."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Answers a request.

        Args:
            request: the request.
            call_next: gives the response of what is inside. It is not sent yet: its status, header fields and
                body can be changed. A StreamingResponse has not begun.
        """
        raise NotImplementedError(f"{type(self).__name__} has no dispatch method")

    def for_engine(self) -> dict[str, Any] | None:
        """What the engine needs to do the same without Python; None if it cannot. Subclasses may differ."""
        return None


class BaseHTTPMiddleware(Layer):
    """A middleware that is a method `dispatch(request, call_next)`, or a function.

    Around a CovetPy application's routes it costs little: the handler runs in the same task, so context
    variables are seen on both sides, exceptions come through `call_next`, and nothing is buffered. Outside of an
    ASGI middleware, the application inside runs in a task of its own.

    Args:
        app: the application inside.
        dispatch: the function, instead of the method.
    """

    def __init__(self, app: Any, dispatch: DispatchFunction | None = None) -> None:
        self.app = app
        self.dispatch_func: DispatchFunction = self.dispatch if dispatch is None else dispatch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one ASGI 3 connection; only HTTP is handed to `dispatch`."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        from covet.middleware.relay import relay

        await relay(self.app, self.dispatch_func, scope, receive, send)


class Inside:
    """What a layer is given as its application: it is reached by `call_next` only."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises RuntimeError."""
        raise RuntimeError("a middleware with a dispatch method reaches the application by call_next, not by self.app")


def is_layer(made_by: Any, *, websockets: bool = False) -> bool:
    """Whether what `made_by` makes can do without ASGI.

    Args:
        made_by: the class or function.
        websockets: the application may have WebSockets.
    """
    if not (isinstance(made_by, type) and issubclass(made_by, Layer)) or (websockets and made_by.sees_websockets):
        return False
    # A class with a __call__ of its own wants to see what ASGI servers send.
    if issubclass(made_by, BaseHTTPMiddleware):
        return made_by.__call__ is BaseHTTPMiddleware.__call__
    return True


def guards_of(middleware: Sequence[Middleware]) -> list[dict[str, Any]]:
    """What the engine is told of the outermost middleware, up to the first that needs Python.

    Args:
        middleware: all of it, the outermost first.
    """
    guards: list[dict[str, Any]] = []
    for each in middleware:
        guard = each.make(Inside()).for_engine() if is_layer(each.cls) else None
        if guard is None:
            break
        guards.append(guard)
    return guards


def dispatch_of(layer: Layer) -> DispatchFunction:
    """The function of a layer that is called with the request and the rest of the chain."""
    return layer.dispatch_func if isinstance(layer, BaseHTTPMiddleware) else layer.dispatch
