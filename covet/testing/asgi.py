"""What test clients call: ASGI applications, with scopes as a server makes them (ASGI HTTP and WebSocket 2.4)."""

import inspect
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import partial
from typing import Any
from urllib.parse import unquote

from covet.testing.http_library import httpx

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

VERSION = {"version": "3.0", "spec_version": "2.4"}
PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


def asgi3(app: Any) -> AsgiApp:
    """The application, or what makes an ASGI 3 application of one of ASGI 2. Raises TypeError for anything else."""
    if not callable(app):
        raise TypeError(f"a test client takes an ASGI application, which {type(app).__name__} objects are not")
    of_two = not hasattr(app, "__await__") if inspect.isclass(app) else not _is_async(app) and _takes_one(app)
    if of_two:
        return partial(_call_asgi2, app)
    found: AsgiApp = app
    return found


def _is_async(app: Any) -> bool:
    while isinstance(app, partial):
        app = app.func
    return inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(getattr(app, "__call__", None))  # noqa: B004


def _takes_one(app: Any) -> bool:
    try:
        inspect.signature(app).bind(None)
    except (TypeError, ValueError):
        return False
    return True


async def _call_asgi2(app: Any, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope)(receive, send)


class Place:
    """Where a client's requests come from and go to.

    Args:
        root_path: the path under which the application is mounted.
        client: the peer's host and port.
        state: where the lifespan puts what requests see as their state.
    """

    def __init__(self, root_path: str, client: tuple[str, int] | None, state: dict[str, Any]) -> None:
        self.root_path = root_path
        self.client = client
        self.state = state

    def scope_of(self, request: httpx.Request) -> dict[str, Any]:
        """The scope of a request."""
        url = request.url
        raw_path, _, query = url.raw_path.partition(b"?")
        scope: dict[str, Any] = {
            "asgi": dict(VERSION),
            "http_version": "1.1",
            "scheme": url.scheme,
            "path": unquote(raw_path.decode("ascii")),
            "raw_path": raw_path,
            "root_path": self.root_path,
            "query_string": query,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "client": self.client,
            "server": [url.raw_host.decode("ascii"), url.port or PORTS[url.scheme]],
            "state": self.state.copy(),
        }
        if url.scheme in ("ws", "wss"):
            named = request.headers.get("sec-websocket-protocol")
            protocols = [name.strip() for name in named.split(",")] if named else []
            return {
                **scope,
                "type": "websocket",
                "subprotocols": protocols,
                "extensions": {"websocket.http.response": {}},
            }
        extensions: Mapping[str, Any] = {"http.response.debug": {}, "http.response.trailers": {}}
        return {**scope, "type": "http", "method": request.method, "extensions": extensions}
