"""Runs an ASGI application and hands its response on, unsent."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import suppress
from contextvars import Context, copy_context
from typing import Any, cast

from covet.asgi.exchange import AsgiExchange
from covet.asgi.request import AsgiContext
from covet.asgi.serving import answer_with, complete
from covet.concurrency import run_in_threadpool
from covet.core import Exchange
from covet.dispatch import known
from covet.exceptions import RAISED, ClientDisconnect, HTTPException
from covet.middleware import Middleware
from covet.middleware.base import AsgiApp, DispatchFunction, Receive, RequestResponseEndpoint, Scope, Send
from covet.requests import EngineRequest, Request, news_of
from covet.responses import Response
from covet.streaming import StreamingResponse

FILE_PIECE = 262144
"""Bytes of a file that are read and sent at a time."""

DISCONNECT = {"type": "http.disconnect"}
UNSET = object()
INSIDE = "covet.inside"
"""The member of a scope that an ASGI middleware of a router finds its inside by."""


async def relay(app: AsgiApp, dispatch: DispatchFunction, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers a request with what `dispatch` returns, whose `call_next` runs an ASGI application."""
    x = AsgiExchange(scope, receive, send)
    x.lifespan_state = scope.setdefault("state", {})
    x.shares_state = True
    request = AsgiContext(cast(Any, scope.get("app")), {}, {}).request_of(cast(Exchange, x))
    begun: list[Inner] = []

    async def call_next(_: Request) -> Response:
        inner = Inner(app, scope, request)
        begun.append(inner)
        return await inner.start()

    async def answer() -> None:
        response = known(await dispatch(request, call_next))
        if not isinstance(response, Response):
            raise TypeError(f"a middleware must return a response, not {type(response).__name__}")
        await answer_with(x, response)

    try:
        await complete(x, answer())
    except BaseException:
        for inner in begun:
            await inner.cancel()
        raise
    for inner in begun:
        await inner.end()


async def response_from(app: AsgiApp, scope: Scope, request: EngineRequest) -> Response:
    """The response of an ASGI application to a request that is answered without ASGI otherwise."""
    return await Inner(app, scope, request).start()


class AsgiLayer:
    """An ASGI middleware around some routes, which are inside of it by `call_next`.

    Args:
        middleware: the middleware, yet to be made.
        request_of: gives the Request of an exchange.
    """

    def __init__(self, middleware: Middleware, request_of: Callable[[Exchange], EngineRequest]) -> None:
        self._request_of = request_of
        self._app: AsgiApp = middleware.make(self._inside)

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Answers a request with what the middleware makes of the response."""
        own = self._request_of(request.exchange)
        own.scope[INSIDE] = (request, call_next)
        return await response_from(self._app, own.scope, own)

    @staticmethod
    async def _inside(scope: Scope, receive: Receive, send: Send) -> None:
        request, call_next = scope[INSIDE]
        response = known(await call_next(request))
        await response(scope, receive, send)


class Inner:
    """An ASGI application that runs in a task of its own for one request.

    Args:
        app: the application.
        scope: the request's scope.
        request: the request, as middleware sees it; what it has read of the body is given to the application.
    """

    def __init__(self, app: AsgiApp, scope: Scope, request: EngineRequest) -> None:
        self._app = app
        self._scope = scope
        self._request = request
        self._pipe = Pipe()
        self._task: asyncio.Task[None] | None = None
        self._body_given = False

    async def start(self) -> Response:
        """Starts the application and gives its response. Raises what it raises before that.

        Raises:
            RuntimeError: the application ended without a response.
        """
        context, pipe = copy_context(), self._pipe
        task = asyncio.get_running_loop().create_task(self._run(), name="covet-inner", context=context)
        self._task = task
        try:
            await asyncio.wait({task, pipe.begun}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self.cancel()
            raise
        adopt(context)
        if not pipe.begun.done():
            task.result()
            raise pipe.error or RuntimeError("No response returned.")
        return RelayedResponse(self, pipe, context)

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._pipe.take)
        except Exception as error:
            self._pipe.error = error
            raise
        except RAISED as error:  # a task that raises SystemExit ends the event loop
            self._pipe.error = error
        finally:
            self._pipe.close()

    async def _receive(self) -> Any:
        """The request's body, as far as the middleware has left it; then http.disconnect."""
        request, x, unwanted = self._request, self._request.exchange, self._pipe.unwanted
        if not self._body_given and not unwanted.is_set():
            request.hand_on()
            try:
                piece, more = await request.next_piece()
            except (ClientDisconnect, HTTPException):
                self._body_given = True
                return DISCONNECT
            self._body_given = not more
            return {"type": "http.request", "body": piece, "more_body": more}
        while not (unwanted.is_set() or x.done or x.cancelled):
            if isinstance(x, AsgiExchange):
                x.watch()
            with suppress(RuntimeError):  # the exchange has ended
                await _either(news_of(x), unwanted)
        return DISCONNECT

    async def end(self) -> None:
        """Nobody wants more of the response: waits until the application has ended. Raises what it raises."""
        self._pipe.unwanted.set()
        if self._task is not None and not self._task.cancelled():
            try:
                await self._task
            except asyncio.CancelledError:
                await self.cancel()
                raise
            if self._pipe.error is not None:
                raise self._pipe.error

    async def cancel(self) -> None:
        """Gives the application up."""
        self._pipe.unwanted.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            if not self._task.cancelled():
                self._task.exception()  # it is known to whoever gave it up


class Pipe:
    """Takes the messages of an application's response; each piece of the body waits until it is asked for."""

    def __init__(self) -> None:
        self.begun: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.unwanted = asyncio.Event()
        self.error: BaseException | None = None
        self._pieces: asyncio.Queue[Any] = asyncio.Queue(1)
        self._ended = False

    async def take(self, message: Mapping[str, Any]) -> None:
        """Takes a message. After the last one it waits until the response has been sent."""
        kind = message["type"]
        if self.unwanted.is_set():
            return
        if kind == "http.response.start" and not self.begun.done():
            self.begun.set_result(message)
        elif kind in ("http.response.body", "http.response.pathsend"):
            if self._pieces.full():
                await _either(self._pieces.put(message), self.unwanted)
            else:
                self._pieces.put_nowait(message)
            if not message.get("more_body", False):
                await self.unwanted.wait()

    def close(self) -> None:
        """The application has ended: nothing more comes."""
        self._ended = True
        if self._pieces.empty():
            self._pieces.put_nowait(None)

    async def body(self, hold: "Hold", context: Context) -> AsyncIterator[Any]:
        """The pieces of the body. Raises what the application raises meanwhile."""
        more = True
        while more:
            message = None if self._ended and self._pieces.empty() else await self._pieces.get()
            if message is None:
                raise self.error or RuntimeError("the application ended without completing its response")
            if message["type"] == "http.response.pathsend":
                async for piece in _pieces_of(message["path"]):
                    yield piece
                break
            if message.get("body"):
                yield message["body"]
            more = message.get("more_body", False)
        adopt(context)


class Hold:
    """Says that nobody wants more of a response when the last reference to it is gone."""

    def __init__(self, unwanted: asyncio.Event) -> None:
        self._unwanted = unwanted

    def __del__(self) -> None:
        self._unwanted.set()


class RelayedResponse(StreamingResponse):
    """The response of an ASGI application, of which the next piece is taken when somebody asks for it."""

    def __init__(self, inner: Inner, pipe: Pipe, context: Context) -> None:
        # The application does not refer to this response, so one that is thrown away lets go of it.
        self._hold = Hold(pipe.unwanted)
        self._inner = inner
        super().__init__(pipe.body(self._hold, context))
        head = pipe.begun.result()
        self.status_code = head["status"]
        self.raw_headers = [(bytes(name).lower(), bytes(value)) for name, value in head.get("headers", ())]

    def answer(self, x: Exchange) -> Coroutine[Any, Any, None]:
        """Sends the response and waits until the application has ended."""
        return self._answer(x)

    async def _answer(self, x: Exchange) -> None:
        try:
            await super().answer(x)
        except BaseException:
            await self._inner.cancel()
            raise
        await self._inner.end()


async def _either(work: Coroutine[Any, Any, None], event: asyncio.Event) -> None:
    """Waits for the work, or until an event makes it pointless. Raises what the work raises."""
    first, second = asyncio.ensure_future(work), asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({first, second}, return_when=asyncio.FIRST_COMPLETED)
        if first.done():
            first.result()
    finally:
        first.cancel()
        second.cancel()


async def _pieces_of(path: str) -> AsyncIterator[bytes]:
    with await run_in_threadpool(open, path, "rb") as file:
        while piece := await run_in_threadpool(file.read, FILE_PIECE):
            yield piece


def adopt(context: Context) -> None:
    """Sets the context variables that were set in another task's context."""
    for variable, value in context.items():
        if variable.get(UNSET) is not value:
            variable.set(value)
