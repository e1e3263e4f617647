"""Spans of what an application does for a request, and records of what goes wrong."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import time_ns
from typing import Any

from opentelemetry._logs import SeverityNumber
from opentelemetry.trace import StatusCode, Tracer

from covet.exceptions import (
    RequestValidationError,
    WebSocketDisconnect,
    WebSocketException,
    WebSocketRequestValidationError,
    is_http_exception,
)
from covet.telemetry.data import SCOPE_KEY, RequestTelemetry, current

NOTHING: AbstractContextManager[None] = nullcontext()
ANSWERS = (RequestValidationError, WebSocketException, WebSocketRequestValidationError)
"""Exceptions that are answers, as HTTPExceptions are."""
NORMAL_CLOSURES = (1000, 1001)

VALIDATION_FAILED = "fastapi.validation.failed"
REQUEST_FAILED, SOCKET_FAILED = "http.server.request.exception", "fastapi.websocket.exception"
"""Names of events; like those of spans they are FastAPI's, so that what looks for them goes on finding them."""


def operation(name: str, function: Callable[..., Any]) -> AbstractContextManager[None]:
    """A span of what is done within it, if spans of operations are wanted.

    Args:
        name: what is done, such as "endpoint".
        function: for what.
    """
    telemetry = current()
    if telemetry is None or telemetry.tracer is None:
        return NOTHING
    return _traced(telemetry.tracer, name, function)


@contextmanager
def _traced(tracer: Tracer, name: str, function: Callable[..., Any]) -> Iterator[None]:
    module = getattr(function, "__module__", type(function).__module__)
    qualname = getattr(function, "__qualname__", type(function).__qualname__)
    with tracer.start_as_current_span(
        f"fastapi.{name}",
        attributes={"code.function.name": f"{module}.{qualname}"},
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield
        except Exception as error:
            if name == "background_task" or not is_answer(error):
                span.set_attribute("error.type", type_of(error))
                span.set_status(StatusCode.ERROR)
            raise


def call_traced(function: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    """Calls a handler that is no coroutine function, in the thread where it runs."""
    with operation("endpoint", function):
        return function(**values)


def is_answer(error: BaseException) -> bool:
    """Whether an exception is how a handler answers, or a client ends a WebSocket."""
    return isinstance(error, ANSWERS) or is_http_exception(error) or is_normal_disconnect(error)


def is_normal_disconnect(error: BaseException) -> bool:
    """Whether a client has closed a WebSocket as it should."""
    return isinstance(error, WebSocketDisconnect) and error.code in NORMAL_CLOSURES


def type_of(error: BaseException) -> str:
    """The attribute error.type for an exception."""
    cls = type(error)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def note_validation_failed(error: RequestValidationError | WebSocketRequestValidationError) -> None:
    """Records that a request does not fit its handler's parameters."""
    telemetry = current()
    if telemetry is None:
        return
    if telemetry.data is not None:
        if isinstance(error, RequestValidationError):
            telemetry.data.body = error.body
        telemetry.data.errors = error.errors()
    if telemetry.logger is not None:
        telemetry.logger.emit(
            event_name=VALIDATION_FAILED,
            timestamp=time_ns(),
            severity_number=SeverityNumber.WARN,
            severity_text="WARN",
            body="Request validation failed",
            attributes={"fastapi.validation.error_count": len(error.errors()), **_of_route(telemetry)},
        )


def note_exception(scope: Mapping[str, Any], error: BaseException) -> None:
    """Records, once, an exception that nobody has handled."""
    is_websocket = scope["type"] == "websocket"
    telemetry = scope.get(SCOPE_KEY)
    if not isinstance(telemetry, RequestTelemetry) or (is_websocket and is_normal_disconnect(error)):
        return
    if any(known is error for known in telemetry.exceptions):
        return
    telemetry.exceptions.append(error)
    if telemetry.logger is not None and isinstance(error, Exception):
        what = "WebSocket connection" if is_websocket else "request"
        telemetry.logger.emit(
            exception=error,
            event_name=SOCKET_FAILED if is_websocket else REQUEST_FAILED,
            timestamp=time_ns(),
            severity_number=SeverityNumber.ERROR,
            severity_text="ERROR",
            body=f"Unhandled exception in FastAPI {what}",
            attributes=_of_route(telemetry) or None,
        )


def _of_route(telemetry: RequestTelemetry) -> dict[str, Any]:
    return {} if telemetry.route is None else {"http.route": telemetry.route}
