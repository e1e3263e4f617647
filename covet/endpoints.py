"""What Starlette takes for a route's endpoint besides handlers: ASGI applications, and functions of a Request."""

import inspect
from collections.abc import Callable
from typing import Any

from covet.requests import Request
from covet.routing import path_names
from covet.websockets import WebSocket


def is_asgi(endpoint: object) -> bool:
    """Whether it is an object that is called with `scope`, `receive` and `send`."""
    if inspect.isroutine(endpoint) or inspect.isclass(endpoint) or not callable(endpoint):
        return False
    try:
        return list(inspect.signature(endpoint).parameters)[:3] == ["scope", "receive", "send"]
    except (TypeError, ValueError):
        return False


def wants_request_alone(endpoint: Callable[..., Any], path: str) -> bool:
    """Whether it is a function with one parameter, of which neither its type nor the path says anything."""
    if not inspect.isroutine(endpoint):
        return False
    parameters = list(inspect.signature(endpoint).parameters.values())
    if len(parameters) != 1 or parameters[0].name in path_names(path):
        return False
    (only,) = parameters
    untyped = only.annotation in (only.empty, Any, "Any")
    return untyped and only.default is only.empty and only.kind is only.POSITIONAL_OR_KEYWORD


def with_request(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """A handler that calls the function with the Request."""
    handler: Callable[..., Any]
    if inspect.iscoroutinefunction(endpoint):

        async def handler(request: Request) -> Any:
            return await endpoint(request)
    else:

        def handler(request: Request) -> Any:
            return endpoint(request)

    return _named_as(endpoint, handler)


def with_websocket(endpoint: Callable[..., Any], path: str) -> Callable[..., Any]:
    """A handler that calls the function with the WebSocket, if that is all it can want; else the function."""
    if not wants_request_alone(endpoint, path):
        return endpoint

    async def handler(websocket: WebSocket) -> Any:
        return await endpoint(websocket)

    return _named_as(endpoint, handler)


def _named_as(endpoint: Callable[..., Any], handler: Callable[..., Any]) -> Callable[..., Any]:
    for name in ("__name__", "__qualname__", "__module__", "__doc__"):
        setattr(handler, name, getattr(endpoint, name))
    return handler
