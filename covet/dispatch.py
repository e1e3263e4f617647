"""From a handler's result, or its exception, to the response."""

import asyncio
import inspect
import logging
import traceback
from collections.abc import Awaitable, Mapping
from typing import Any

from covet.concurrency import run_in_threadpool
from covet.core import Exchange
from covet.encoders import encode
from covet.exceptions import (
    RAISED,
    ClientDisconnect,
    RequestValidationError,
    ValidationException,
    is_http_exception,
    is_like,
)
from covet.handlers import HAVE_ANSWERS, ExceptionHandler, ExceptionHandlers, HandlerTable
from covet.requests import Context, Request
from covet.responses import Answer, JSONResponse, PlainTextResponse, Response

logger = logging.getLogger("covet.error")

JSON, BYTES = 1, 4  # exchange.MediaType
NO_BODY = (204, 205, 304)


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


async def asked(request: Request, handler: ExceptionHandler, error: BaseException) -> Response:
    """What an exception handler answers. Raises what it raises."""
    if inspect.iscoroutinefunction(handler):
        result = await handler(request, error)
    else:
        result = await run_in_threadpool(handler, request, error)
        if inspect.isawaitable(result):
            result = await result
    return to_response(result, error.status_code if is_http_exception(error) else 500)


def _rounds(x: Exchange) -> int:
    """How often handlers are looked for: around the route, and around them all for what a handler raises there."""
    return 2 if x.route else 1


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
        self._handlers = HandlerTable(handlers)
        self._problems = context.app is not None and context.app.problem_details
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
        return self._fail(x, error, _rounds(x))

    def _fail(self, x: Exchange, error: BaseException, rounds: int) -> Answer:
        self._locate(x, error)
        handler, is_known = self._find(error)
        if not (is_known and rounds):
            return self.fail_outermost(x, error)
        if x.started or x.done:
            x.abort()
            return None
        if handler is not None:
            return self._handled(x, handler, error, rounds - 1)
        return self._default(x, error).answer(x)

    def _find(self, error: BaseException) -> tuple[ExceptionHandler | None, bool]:
        """The handler of an exception, and whether it has an answer before it has come through all middleware."""
        handler = self._handlers.find(error)
        has_answer = any(is_like(error, kind) for kind in HAVE_ANSWERS) or is_http_exception(error)
        return handler, has_answer or (handler is not None and handler not in self._handlers.outermost)

    def _locate(self, x: Exchange, error: BaseException) -> None:
        """Has an exception of validation say where it was."""
        if not isinstance(error, ValidationException) or error.endpoint_ctx is not None:
            return
        root_path = getattr(x, "root_path", self._context.root_path)
        for route in self._context.app.routes[max(x.route - 1, 0) : x.route]:
            error.locate(route.place(x.method, root_path))

    def _cancelled(self, x: Exchange) -> None:
        if x.started or x.cancelled:
            x.abort()
        else:
            JSONResponse({"detail": "Service Unavailable"}, 503).answer(x)

    async def _handled(self, x: Exchange, handler: ExceptionHandler, error: BaseException, rounds: int) -> None:
        try:
            answer = (await self._asked(x, handler, error)).answer(x)
            if answer is not None:
                await answer
        except RAISED as failure:
            if x.started or x.done:
                self._log(x, failure)
                x.abort()
                return
            answer = self._fail(x, failure, rounds)
            if answer is not None:
                await answer

    async def _handled_at_last(self, x: Exchange, handler: ExceptionHandler, error: BaseException) -> None:
        try:
            answer = (await self._asked(x, handler, error)).answer(x)
            if answer is not None:
                await answer
        except RAISED as failure:
            self._log(x, failure)
            if x.started or x.done:
                x.abort()
            else:
                self._unhandled(x, failure).answer(x)

    async def _asked(self, x: Exchange, handler: ExceptionHandler, error: BaseException) -> Response:
        """What an exception handler answers. Raises what it raises."""
        return await asked(self._context.request_of(x), handler, error)

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
        for _ in range(_rounds(x)):
            self._locate(x, error)
            handler, is_known = self._find(error)
            if not is_known:
                break
            if handler is None:
                return self._default(x, error)
            try:
                return await self._asked(x, handler, error)
            except Exception as failure:
                error = failure
        raise error

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
        for handler in self._handlers.outermost:
            if handler is not None and isinstance(error, Exception):
                return self._handled_at_last(x, handler, error)
        return self._unhandled(x, error).answer(x)

    # ---- answers to exceptions that nobody handles ----------------------------------

    def _default(self, x: Exchange, error: BaseException) -> Response:
        if self._problems:
            return self._problem(x, error)
        if is_http_exception(error):
            headers = getattr(error, "headers", None)
            if error.status_code in NO_BODY:
                return Response(None, error.status_code, headers)
            return JSONResponse({"detail": error.detail}, error.status_code, headers)
        if is_like(error, RequestValidationError):
            from covet.encoders import jsonable_encoder

            return JSONResponse({"detail": jsonable_encoder(error.errors())}, 422)
        if isinstance(error, ClientDisconnect):
            return JSONResponse({"detail": str(error)}, 400)
        return self._internal_error(x, error)

    def _unhandled(self, x: Exchange, error: BaseException) -> Response:
        """The answer to an exception that has come through all middleware."""
        return self._problem(x, error) if self._problems else self._internal_error(x, error)

    def _problem(self, x: Exchange, error: BaseException) -> Response:
        from covet.problems import problem

        if is_http_exception(error):
            headers = getattr(error, "headers", None)
            if error.status_code in NO_BODY:
                return Response(None, error.status_code, headers)
            return problem(error.status_code, error.detail, instance=x.path, headers=headers)
        if is_like(error, RequestValidationError):
            return problem(422, error.errors(), instance=x.path)
        if isinstance(error, ClientDisconnect):
            return problem(400, str(error), instance=x.path)
        if self._debug:
            return self._internal_error(x, error)
        return problem(500, instance=x.path)

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
