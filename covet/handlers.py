"""Exception handlers by class and status."""

from collections.abc import Callable, Mapping
from typing import Any

from covet.exceptions import (
    ClientDisconnect,
    HTTPException,
    RequestValidationError,
    is_http_exception,
    is_http_exception_class,
    is_like_class,
)
from covet.requests import Request

ExceptionHandler = Callable[[Request, Any], Any]
ExceptionHandlers = Mapping[int | type[Exception], ExceptionHandler]

HAVE_ANSWERS = (HTTPException, RequestValidationError, ClientDisconnect)
"""Exceptions that say what is wrong with the request, so that nothing need be logged."""


class HandlerTable:
    """Finds the handler of an exception.

    Args:
        handlers: by class, for those derived from it too, or by status.
    """

    def __init__(self, handlers: ExceptionHandlers) -> None:
        self._by_status = {key: handler for key, handler in handlers.items() if isinstance(key, int)}
        self._by_class = {key: handler for key, handler in handlers.items() if not isinstance(key, int)}
        of_http = (handler for key, handler in self._by_class.items() if is_http_exception_class(key))
        self._of_http_exceptions = next(of_http, None)
        of_misfits = (handler for key, handler in self._by_class.items() if is_like_class(key, RequestValidationError))
        self._of_misfits = next(of_misfits, None)
        self.outermost = (self._by_class.get(Exception), self._by_status.get(500))
        """What answers whatever nobody else does."""

    def find(self, error: BaseException) -> ExceptionHandler | None:
        """The handler of an exception, if there is one; a SystemExit and the like has none."""
        if not isinstance(error, Exception):
            return None
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
            if is_like_class(kind, RequestValidationError):
                return self._of_misfits
            if kind in HAVE_ANSWERS:
                return None  # a handler for Exception does not take what has an answer of its own
        return self._by_status.get(500)
