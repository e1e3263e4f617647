"""Exceptions that become responses."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any


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
                detail = "Unknown Error"
        super().__init__(status_code, detail)
        self.status_code = status_code
        self.detail = detail
        self.headers = headers

    def __str__(self) -> str:
        return f"{self.status_code}: {self.detail}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}(status_code={self.status_code!r}, detail={self.detail!r})"


class RequestValidationError(Exception):
    """A request's parameters do not fit; answered with 422 unless a handler is registered for it."""

    def __init__(self, errors: Sequence[dict[str, Any]], *, body: Any = None) -> None:
        super().__init__(errors)
        self._errors = errors
        self.body = body

    def errors(self) -> Sequence[dict[str, Any]]:
        """One dict for each bad value: type, loc, msg, input and, for some types, ctx."""
        return self._errors


class ResponseValidationError(Exception):
    """What a handler returned does not fit its response model; answered with 500."""

    def __init__(self, errors: Sequence[dict[str, Any]], *, body: Any = None) -> None:
        super().__init__(errors)
        self._errors = errors
        self.body = body

    def errors(self) -> Sequence[dict[str, Any]]:
        """One dict for each bad value: type, loc, msg, input and, for some types, ctx."""
        return self._errors

    def __str__(self) -> str:
        return f"{len(self._errors)} validation error(s): {list(self._errors)!r}"


class ClientDisconnect(Exception):
    """The client went away before its request was complete, or sent a body that is malformed."""
