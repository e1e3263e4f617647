"""Which interface an object speaks, and what is said of those that speak none."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from covet import CovetPy
from covet.config import ConfigError, ServeOptions
from covet.interfaces import NotAnApplication, adapt
from covet.interfaces.detect import interface_of


async def asgi(scope: Any, receive: Any, send: Any) -> None: ...
def returns_coroutine(scope: Any, receive: Any, send: Any) -> Any: ...
def wsgi(environ: Any, start_response: Any) -> Any: ...


class AsgiObject:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class WsgiObject:
    def __call__(self, environ: Any, start_response: Any) -> Any: ...


class Asgi2Class:
    def __init__(self, scope: Any) -> None: ...
    async def __call__(self, receive: Any, send: Any) -> None: ...


def asgi2(scope: Any) -> Any: ...
async def handler(request: Any) -> None: ...


async def with_option(option: Any, scope: Any, receive: Any, send: Any) -> None: ...


@functools.wraps(asgi)
async def decorated_asgi(*args: Any, **kwargs: Any) -> None: ...


@functools.wraps(wsgi)
def decorated_wsgi(*args: Any, **kwargs: Any) -> Any: ...


@pytest.mark.parametrize(
    ("app", "interface"),
    [
        (CovetPy(), "covet"),
        (asgi, "asgi"),
        (AsgiObject(), "asgi"),
        (AsgiObject().__call__, "asgi"),
        (functools.partial(with_option, 1), "asgi"),
        (decorated_asgi, "asgi"),
        (returns_coroutine, "asgi"),
        (wsgi, "wsgi"),
        (WsgiObject(), "wsgi"),
        (decorated_wsgi, "wsgi"),
    ],
)
def test_what_an_object_speaks(app: object, interface: str) -> None:
    assert interface_of(app) == interface
    assert adapt(app, ServeOptions()).interface == interface


@pytest.mark.parametrize(
    ("app", "wanted", "text"),
    [
        (42, "auto", "The int object cannot be called"),
        (42, "asgi", "The int object cannot be called"),
        (Asgi2Class, "auto", "'Asgi2Class' is an ASGI 2 application, which is called twice: wrap it in asgiref"),
        (asgi2, "auto", "'asgi2' is an ASGI 2 application"),
        (asgi2, "asgi", "'asgi2' is an ASGI 2 application"),
        (handler, "auto", "'handler' is async but does not take (scope, receive, send)"),
        (lambda: None, "auto", "takes neither (scope, receive, send) nor (environ, start_response)"),
        (asgi, "covet", "'asgi' is not a CovetPy application"),
        (CovetPy(), "wsgi", "The CovetPy object is a CovetPy application and no WSGI one"),
    ],
)
def test_what_cannot_be_served(app: object, wanted: str, text: str) -> None:
    with pytest.raises(NotAnApplication) as caught:
        adapt(app, ServeOptions(interface=wanted))
    assert text in str(caught.value)


def test_the_user_has_the_last_word() -> None:
    def anything(*args: Any) -> Any: ...

    assert interface_of(anything) == "wsgi"
    assert interface_of(anything, "asgi") == "asgi"
    assert interface_of(wsgi, "wsgi") == "wsgi"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"interface": "rsgi"}, "interface must be one of auto, covet, asgi, wsgi, not 'rsgi'"),
        ({"lifespan": "maybe"}, "lifespan must be one of auto, on, off, not 'maybe'"),
        ({"threads": 0}, "threads must be from 1 to 4096, not 0"),
        ({"root_path": "api"}, "root_path must start with a slash and end without one, not 'api'"),
        ({"root_path": "/api/"}, "root_path must start with a slash and end without one, not '/api/'"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ServeOptions(**options)
    assert str(caught.value) == text


def test_a_covetpy_application_may_be_served_as_asgi() -> None:
    assert interface_of(CovetPy(), "asgi") == "asgi"
