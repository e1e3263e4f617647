"""Finds out which interface an application speaks."""

import inspect
from collections.abc import Callable
from typing import Any

from covet.interfaces import NotAnApplication

ADVICE = "covet serves CovetPy, ASGI 3 and WSGI applications"
ASGI2_ADVICE = "wrap it in asgiref.compatibility.guarantee_single_callable"


def interface_of(app: object, wanted: str = "auto") -> str:
    """The interface to serve an application with: covet, asgi or wsgi.

    Args:
        app: the application.
        wanted: auto, or the interface that the user named.

    Raises:
        NotAnApplication: the object is no application, or cannot speak what is wanted.
    """
    from covet.app import CovetPy

    if isinstance(app, CovetPy):
        if wanted == "wsgi":
            raise NotAnApplication(f"{_named(app)} is a CovetPy application and no WSGI one; leave --interface out")
        return "asgi" if wanted == "asgi" else "covet"
    if wanted == "covet":
        raise NotAnApplication(f"{_named(app)} is not a CovetPy application; leave --interface out")
    if not callable(app):
        raise NotAnApplication(f"{_named(app)} cannot be called, so it is no application: {ADVICE}.")
    if wanted == "wsgi":
        return "wsgi"
    if _is_asgi2(app):
        raise NotAnApplication(f"{_named(app)} is an ASGI 2 application, which is called twice: {ASGI2_ADVICE}.")
    return wanted if wanted == "asgi" else _by_signature(app)


def _by_signature(app: Callable[..., Any]) -> str:
    if is_async(app):
        if not _takes(app, 3):
            raise NotAnApplication(f"{_named(app)} is async but does not take (scope, receive, send): {ADVICE}.")
        return "asgi"
    if _takes(app, 2):
        return "wsgi"
    if _takes(app, 3):
        return "asgi"  # a function that returns the coroutine of another
    raise NotAnApplication(
        f"{_named(app)} takes neither (scope, receive, send) nor (environ, start_response): {ADVICE}."
    )


def is_async(app: object) -> bool:
    """Whether calling an object gives a coroutine, as far as its definition tells."""
    while hasattr(app, "func"):  # functools.partial
        app = app.func
    return inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(getattr(app, "__call__", None))  # noqa: B004


def _is_asgi2(app: Callable[..., Any]) -> bool:
    """A class whose instances take (receive, send), or a function of (scope) alone."""
    if inspect.isclass(app):
        call = app.__call__  # the method that instances have
        return inspect.iscoroutinefunction(call) and _takes(app, 1)
    return not is_async(app) and _takes(app, 1) and not _takes(app, 2) and not _takes(app, 3)


def _takes(app: Callable[..., Any], count: int) -> bool:
    try:
        signature = inspect.signature(app)
    except (TypeError, ValueError):  # compiled code may have none; then anything may fit
        return True
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def _named(app: object) -> str:
    name = getattr(app, "__qualname__", None)
    return f"{name!r}" if isinstance(name, str) else f"The {type(app).__name__} object"
