"""Runs ASGI middleware around an application."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from covet.asgi.exchange import AsgiExchange
from covet.asgi.serving import complete
from covet.core import Exchange
from covet.interfaces.answers import came_from_disconnect
from covet.middleware import Middleware
from covet.middleware.base import AsgiApp, Receive, Scope, Send

if TYPE_CHECKING:
    from covet.asgi.app import AsgiApplication


class Inside:
    """The application within the middleware: an object, as some middleware asks whether `__call__` is asynchronous.

    Args:
        application: the application.
    """

    def __init__(self, application: "AsgiApplication") -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one ASGI 3 connection."""
        await self._application.inside(scope, receive, send)

    async def recover(self, scope: Scope, receive: Receive, send: Send, error: Exception) -> None:
        """Answers an exception of what stands beside the routes as one of theirs. Raises it if nobody handles it."""
        await self._application.recover(scope, receive, send, error)


class Stack:
    """ASGI middleware around an application; outside of it exceptions that nobody has handled become answers.

    Args:
        application: the application without the middleware.
        outer: the middleware, the outermost first.
    """

    def __init__(self, application: "AsgiApplication", outer: Sequence[Middleware]) -> None:
        self._application = application
        app: AsgiApp = Inside(application)
        for middleware in reversed(outer):
            app = middleware.make(app)
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one ASGI 3 connection. Raises what is raised after a response has begun."""
        if scope["type"] != "lifespan":
            # The lifespan's state is where a request's own begins, which middleware and handlers share.
            state: Mapping[str, Any] = scope.get("state", self._application.state)
            scope["state"] = dict(state)
            if self._application.gives_ids:
                from covet.middleware.requestid import request_id

                scope["state"]["request_id"] = request_id.get()
        if scope["type"] == "http":
            await self._guarded(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def noting(message: Any) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception as error:
            if started or came_from_disconnect(error):
                raise
            x = AsgiExchange(scope, receive, send)
            await complete(x, self._fail(x, error))

    async def _fail(self, x: AsgiExchange, error: Exception) -> None:
        answer = self._application.current().fail(cast(Exchange, x), error)
        if answer is not None:
            await answer
