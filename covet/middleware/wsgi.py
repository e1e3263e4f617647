"""WSGI applications (PEP 3333) as ASGI applications."""

from collections.abc import Callable, Iterable
from typing import cast

from covet.asgi.exchange import AsgiExchange
from covet.asgi.serving import complete
from covet.concurrency import MAX_THREADS, ThreadPool
from covet.core import Exchange
from covet.interfaces.wsgi import answer, template
from covet.middleware.base import Receive, Scope, Send


class WSGIMiddleware:
    """A WSGI application, to be mounted: it runs in threads, and its response is streamed.

    Args:
        app: the application.
        threads: how many requests run at a time; further ones wait.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], threads: int = MAX_THREADS) -> None:
        self.app = app
        self._pool = ThreadPool(threads)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one ASGI 3 connection. Raises what the application raises; WebSockets are refused."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000, "reason": ""})
            return
        x = AsgiExchange(scope, receive, send)
        environ = template(scope.get("root_path", ""), several=True)
        await complete(x, answer(cast(Exchange, x), self.app, self._pool, environ))
