"""From a handler's result, or its exception, to the response."""

import asyncio
import inspect
import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from covet.concurrency import run_in_threadpool
from covet.core import Exchange
from covet.encoders import encode
from covet.exceptions import (
    ClientDisconnect,
    HTTPException,
    RequestValidationError,
    is_http_exception,
    is_http_exception_class,
)
from covet.requests import Context, Request
from covet.responses import Answer, JSONResponse, PlainTextResponse, Response

logger = logging.getLogger("covet.error")

ExceptionHandler = Callable[[Request, Any], Any]
ExceptionHandlers = Mapping[int | type[Exception], ExceptionHandler]

JSON, BYTES = 1, 4  # exchange.MediaType
NO_BODY = (204, 304)
HAVE_ANSWERS = (HTTPException, RequestValidationError, ClientDisconnect)
"""Exceptions that say what is wrong with the request, so that nothing need be logged."""


def to_response(result: Any, status: int) -> Response:
    """The Response that stands for what a handler returned.

    Args:
        result: a Response, a value that JSON can say, bytes, or (body, status) or (body, status, headers).
        status: the status for everything but a Response and a tuple.
    """
    headers = None
    if type(result) is tuple and len(result) in (2, 3) and is_status(result[1]):
        headers = dict(result[2]) if len(result) == 3 and result[2] else None
        result, status = known(result[0]), result[1]
        if isinstance(result, Response):
            result.status_code = status
            result.headers.update(headers or {})
    result = known(result)
    if isinstance(result, Response):
        return result
    if status in NO_BODY:
        return Response(None, status, headers)
    if isinstance(result, (bytes, bytearray, memoryview)):
        return Response(result, status, headers, "application/octet-stream")
    return JSONResponse(result, status, headers)


def known(result: Any) -> Any:
    """The value itself; of another framework's response, such as Starlette's, the Response that stands for it."""
    if isinstance(result, Response) or not (hasattr(result, "raw_headers") and callable(result)):
        return result
    from covet.foreign import ForeignResponse  # few need it

    return ForeignResponse(result)


def is_status(value: Any) -> bool:
    """Whether a value can be the status of a response."""
    return type(value) is not bool and isinstance(value, int) and 200 <= value <= 599


class Dispatcher:
    """Renders results and answers exceptions, for the native runner.

    Args:
        context: what the requests have in common.
        handlers: exception handlers by class or status.
        statuses: the routes' own status by number.
        debug: show tracebacks to clients.
    """

    def __init__(
        self, context: Context, handlers: ExceptionHandlers, statuses: Mapping[int, int], *, debug: bool = False
    ) -> None:
        self._context = context
        self._by_status = {key: handler for key, handler in handlers.items() if isinstance(key, int)}
        self._by_class = {key: handler for key, handler in handlers.items() if not isinstance(key, int)}
        of_http = (handler for key, handler in self._by_class.items() if is_http_exception_class(key))
        self._of_http_exceptions = next(of_http, None)
        self._statuses = statuses
        self._debug = debug

    def render(self, x: Exchange, result: Any) -> Answer:
        """Answers with a handler's result; a coroutine if that takes waiting."""
        try:
            status = self._statuses.get(x.route, 200)
            if isinstance(result, Response):
                return result.answer(x)
            if type(result) is tuple or status in NO_BODY:
                return to_response(result, status).answer(x)
            if isinstance(result, (bytes, bytearray, memoryview)):
                x.respond(status, BYTES, b"", result)
            elif inspect.isawaitable(result):
                return self._awaited(x, result)
            elif isinstance(response := known(result), Response):
                return response.answer(x)
            else:
                x.respond(status, JSON, b"", encode(result))
        except Exception as error:
            return self.fail(x, error)
        return None

    async def _awaited(self, x: Exchange, result: Awaitable[Any]) -> None:
        """For handlers that are no coroutine functions but return something to await."""
        answer = self.render(x, await result)
        if answer is not None:
            await answer

    def fail(self, x: Exchange, error: BaseException) -> Answer:
        """Answers an exception; a coroutine if that takes waiting."""
        if isinstance(error, asyncio.CancelledError):
            self._cancelled(x)
            return None
        handler = self._handler_of(error)
        if not (isinstance(error, HAVE_ANSWERS) or is_http_exception(error)) and (
            handler is None or handler in self._outermost()
        ):
            self._log(x, error)
        if x.started or x.done:
            x.abort()
            return None
        if handler is not None:
            return self._handled(x, handler, error)
        return self._default(x, error).answer(x)

    def _cancelled(self, x: Exchange) -> None:
        if x.started or x.cancelled:
            x.abort()
        else:
            JSONResponse({"detail": "Service Unavailable"}, 503).answer(x)

    def _handler_of(self, error: BaseException) -> ExceptionHandler | None:
        of_http = False
        if is_http_exception(error):
            of_http = True
            if error.status_code in self._by_status:
                return self._by_status[error.status_code]
        for kind in type(error).__mro__:
            if kind in self._by_class:
                return self._by_class[kind]
            if of_http and is_http_exception_class(kind):
                # A handler for another framework's class takes ours too, and the other way round.
                return self._of_http_exceptions
            if kind in HAVE_ANSWERS:
                return None  # a handler for Exception does not take what has an answer of its own
        return self._by_status.get(500)

    async def _handled(self, x: Exchange, handler: ExceptionHandler, error: BaseException) -> None:
        try:
            answer = (await self._asked(x, handler, error)).answer(x)
            if answer is not None:
                await answer
        except Exception as failure:
            self._log(x, failure)
            if x.started or x.done:
                x.abort()
            else:
                self._default(x, failure).answer(x)

    async def _asked(self, x: Exchange, handler: ExceptionHandler, error: BaseException) -> Response:
        """What an exception handler answers. Raises what it raises."""
        request = self._context.request_of(x)
        if inspect.iscoroutinefunction(handler):
            result = await handler(request, error)
        else:
            result = await run_in_threadpool(handler, request, error)
            if inspect.isawaitable(result):
                result = await result
        return to_response(result, error.status_code if is_http_exception(error) else 500)

    # ---- with middleware: responses are handed on instead of sent -----------------

    async def response_of(self, x: Exchange, result: Any) -> Response:
        """The response that stands for a handler's result. Raises what rendering raises."""
        if isinstance(result, Response):
            return result
        if inspect.isawaitable(result):
            result = await result
        return to_response(result, self._statuses.get(x.route, 200))

    async def recover(self, x: Exchange, error: Exception) -> Response:
        """The response to an exception that is answered inside of the middleware; others are raised again."""
        handler = self._handler_of(error)
        has_answer = isinstance(error, HAVE_ANSWERS) or is_http_exception(error)
        if has_answer and handler is None:
            return self._default(x, error)
        if handler is None or (handler in self._outermost() and not has_answer):
            raise error
        return await self._asked(x, handler, error)

    def fail_outermost(self, x: Exchange, error: BaseException) -> Answer:
        """Answers an exception that has come through all middleware; a coroutine if that takes waiting."""
        if isinstance(error, asyncio.CancelledError):
            self._cancelled(x)
            return None
        if not isinstance(error, ClientDisconnect):
            self._log(x, error)
        if x.started or x.done:
            x.abort()
            return None
        for handler in self._outermost():
            if handler is not None:
                return self._handled(x, handler, error)
        return self._internal_error(x, error).answer(x)

    def _outermost(self) -> tuple[ExceptionHandler | None, ...]:
        return self._by_class.get(Exception), self._by_status.get(500)

    # ---- answers to exceptions that nobody handles ----------------------------------

    def _default(self, x: Exchange, error: BaseException) -> Response:
        if is_http_exception(error):
            headers = getattr(error, "headers", None)
            if error.status_code in NO_BODY:
                return Response(None, error.status_code, headers)
            return JSONResponse({"detail": error.detail}, error.status_code, headers)
        if isinstance(error, RequestValidationError):
            from covet.encoders import jsonable_encoder

            return JSONResponse({"detail": jsonable_encoder(error.errors())}, 422)
        if isinstance(error, ClientDisconnect):
            return JSONResponse({"detail": str(error)}, 400)
        return self._internal_error(x, error)

    def _internal_error(self, x: Exchange, error: BaseException) -> Response:
        if not self._debug:
            return PlainTextResponse("Internal Server Error", 500)
        text = "".join(traceback.format_exception(error))
        if b"text/html" in (x.header(b"accept") or b""):
            from html import escape  # its tables are large, and only this needs them

            page = f"<!doctype html><title>500 Internal Server Error</title><pre>{escape(text)}</pre>"
            return Response(page, 500, media_type="text/html")
        return PlainTextResponse(text, 500)

    @staticmethod
    def _log(x: Exchange, error: BaseException) -> None:
        report = getattr(x, "report", None)
        if report is not None:  # whoever called the application gets it, and logs it
            report(error)
            return
        logger.error("Exception while answering %s %s", x.method, x.path, exc_info=error)
