"""Exceptions that become responses, and the errors and warnings of CovetPy itself."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypedDict, TypeGuard, TypeVar

E = TypeVar("E", bound=BaseException)


class HTTPException(Exception):
    """Ends a handler with an error response.

    Args:
        status_code: the response's status.
        detail: anything JSON can say; the status's usual phrase if it is None.
        headers: further response headers.
    """

    def __init__(self, status_code: int, detail: Any = None, headers: Mapping[str, str] | None = None) -> None:
        if detail is None:
            try:
                detail = HTTPStatus(status_code).phrase
            except ValueError:
                detail = ""
        super().__init__(status_code, detail)
        self.status_code = status_code
        self.detail = detail
        self.headers = headers

    def __str__(self) -> str:
        return f"{self.status_code}: {self.detail}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}(status_code={self.status_code!r}, detail={self.detail!r})"


StarletteHTTPException = HTTPException
"""FastAPI has two classes, and this name for the one that answers unknown paths too; here there is one."""


def is_http_exception_class(kind: type) -> bool:
    """Whether a class is our HTTPException, or another framework's that works as ours does."""
    return kind.__name__ == "HTTPException" and issubclass(kind, Exception)


def is_http_exception(error: BaseException) -> "TypeGuard[HTTPException]":
    """Whether an exception is an HTTPException, ours or another framework's, such as starlette.exceptions' one."""
    if isinstance(error, HTTPException):
        return True
    return (
        any(is_http_exception_class(kind) for kind in type(error).__mro__)
        and isinstance(getattr(error, "status_code", None), int)
        and hasattr(error, "detail")
    )


RAISED = (Exception, SystemExit, KeyboardInterrupt)
"""What an application's code may raise and is answered: its sys.exit() ends a request, not the server."""


def is_like(error: BaseException, own: type[E]) -> TypeGuard[E]:
    """Whether an exception is of one of our classes, or of FastAPI's or Starlette's class of the same name.

    Args:
        error: the exception.
        own: one of our classes, which works as theirs does.
    """
    return isinstance(error, own) or any(is_like_class(kind, own) for kind in type(error).__mro__)


def is_like_class(kind: type, own: type[BaseException]) -> bool:
    """Whether a class is one of ours, or FastAPI's or Starlette's of the same name."""
    named = kind.__name__ == own.__name__ and kind.__module__ in ("fastapi.exceptions", "starlette.exceptions")
    return kind is own or named


class WebSocketException(Exception):
    """Ends a WebSocket handler by closing the connection.

    Args:
        code: the close code (RFC 6455, section 7.4).
        reason: the close reason, at most 123 bytes of UTF-8.
    """

    def __init__(self, code: int, reason: str | None = None) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason or ""

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}(code={self.code!r}, reason={self.reason!r})"


class WebSocketDisconnect(Exception):
    """The other side has closed the WebSocket connection.

    Args:
        code: the close code that it sent.
        reason: the close reason that it sent.
    """

    def __init__(self, code: int = 1000, reason: str | None = None) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason or ""


class EndpointContext(TypedDict, total=False):
    """Where a handler is: its name, its route's path, and the file and line of its definition."""

    function: str
    path: str
    file: str
    line: int


class ValidationException(Exception):
    """Values do not fit what a handler declares.

    Args:
        errors: one dict for each bad value: type, loc, msg, input and, for some types, ctx.
        endpoint_ctx: where the handler is.
    """

    def __init__(self, errors: Sequence[Any], *, endpoint_ctx: EndpointContext | None = None) -> None:
        super().__init__(errors)
        self._errors = errors
        self.locate(endpoint_ctx or {})

    def locate(self, place: EndpointContext) -> None:
        """Says where the handler is."""
        self.endpoint_ctx = place or None
        self.endpoint_function = place.get("function")
        self.endpoint_path = place.get("path")
        self.endpoint_file = place.get("file")
        self.endpoint_line = place.get("line")

    def errors(self) -> Sequence[Any]:
        """One dict for each bad value: type, loc, msg, input and, for some types, ctx."""
        return self._errors

    def __str__(self) -> str:
        count = len(self._errors)
        lines = [f"{count} validation error{'' if count == 1 else 's'}:", *(f"  {error}" for error in self._errors)]
        if self.endpoint_file and self.endpoint_line and self.endpoint_function:
            lines.append(f'\n  File "{self.endpoint_file}", line {self.endpoint_line}, in {self.endpoint_function}')
            if self.endpoint_path:
                lines.append(f"    {self.endpoint_path}")
        elif self.endpoint_path:
            lines.append(f"\n  Endpoint: {self.endpoint_path}")
        return "\n".join(lines)


class RequestValidationError(ValidationException):
    """A request's parameters do not fit; answered with 422 unless a handler is registered for it.

    Args:
        errors: one dict for each bad value.
        body: the request's body, as far as it was understood.
        endpoint_ctx: where the handler is.
    """

    def __init__(self, errors: Sequence[Any], *, body: Any = None, endpoint_ctx: EndpointContext | None = None) -> None:
        super().__init__(errors, endpoint_ctx=endpoint_ctx)
        self.body = body


class WebSocketRequestValidationError(ValidationException):
    """The parameters of a WebSocket's opening request do not fit; the connection is closed with code 1008."""


class ResponseValidationError(ValidationException):
    """A handler returned what its response model does not allow; answered with 500.

    Args:
        errors: one dict for each bad value.
        body: what the handler returned.
        endpoint_ctx: where the handler is.
    """

    def __init__(self, errors: Sequence[Any], *, body: Any = None, endpoint_ctx: EndpointContext | None = None) -> None:
        super().__init__(errors, endpoint_ctx=endpoint_ctx)
        self.body = body


class ClientDisconnect(Exception):
    """The client went away before its request was complete, or sent a body that is malformed."""


class CovetError(RuntimeError):
    """An application is put together wrongly."""


class DeclarationError(AssertionError, TypeError, ValueError):
    """A parameter, a route or a router is declared wrongly: told when it is registered.

    FastAPI asserts these things; what is wrong is a type or a value.
    """


class FieldTypeError(CovetError, TypeError):
    """A parameter or a result has a type that pydantic cannot validate."""


class EmptyPathError(CovetError, ValueError):
    """A route would have no path at all."""


class PydanticV1NotSupportedError(FieldTypeError):
    """A parameter or a result is a model of `pydantic.v1`."""


class DependencyScopeError(CovetError):
    """A dependency depends on another one that ends before it does."""


class CovetDeprecationWarning(UserWarning):
    """Something will go away; a UserWarning, so that it is shown without asking."""


FastAPIError = CovetError
FastAPIDeprecationWarning = CovetDeprecationWarning
