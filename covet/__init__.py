"""CovetPy: a web framework for Python, served by a native engine.

Names are loaded when they are first used, so `import covet` costs little.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from covet import status as status
    from covet.app import CovetPy as CovetPy
    from covet.concurrency import run_in_threadpool as run_in_threadpool
    from covet.config import ConfigError as ConfigError
    from covet.exceptions import ClientDisconnect as ClientDisconnect
    from covet.exceptions import HTTPException as HTTPException
    from covet.exceptions import RequestValidationError as RequestValidationError
    from covet.exceptions import WebSocketDisconnect as WebSocketDisconnect
    from covet.exceptions import WebSocketException as WebSocketException
    from covet.requests import Request as Request
    from covet.responses import HTMLResponse as HTMLResponse
    from covet.responses import JSONResponse as JSONResponse
    from covet.responses import PlainTextResponse as PlainTextResponse
    from covet.responses import RedirectResponse as RedirectResponse
    from covet.responses import Response as Response
    from covet.responses import StreamingResponse as StreamingResponse
    from covet.running import run as run
    from covet.server import Server as Server

__version__ = "0.1.0"

_PLACES = {
    "ClientDisconnect": "exceptions",
    "ConfigError": "config",
    "CovetPy": "app",
    "HTMLResponse": "responses",
    "HTTPException": "exceptions",
    "JSONResponse": "responses",
    "PlainTextResponse": "responses",
    "RedirectResponse": "responses",
    "Request": "requests",
    "RequestValidationError": "exceptions",
    "Response": "responses",
    "Server": "server",
    "StreamingResponse": "responses",
    "WebSocketDisconnect": "exceptions",
    "WebSocketException": "exceptions",
    "run": "running",
    "run_in_threadpool": "concurrency",
}
_MODULES = ("status",)

__all__ = [
    "ClientDisconnect",
    "ConfigError",
    "CovetPy",
    "HTMLResponse",
    "HTTPException",
    "JSONResponse",
    "PlainTextResponse",
    "RedirectResponse",
    "Request",
    "RequestValidationError",
    "Response",
    "Server",
    "StreamingResponse",
    "WebSocketDisconnect",
    "WebSocketException",
    "__version__",
    "run",
    "run_in_threadpool",
    "status",
]


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(f"covet.{name}")
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"covet.{place}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
