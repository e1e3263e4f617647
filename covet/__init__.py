"""CovetPy: a web framework for Python, served by a native engine.

Names are loaded when they are first used, so `import covet` costs little.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from covet.app import CovetPy as CovetPy
    from covet.background import BackgroundTask as BackgroundTask
    from covet.background import BackgroundTasks as BackgroundTasks
    from covet.concurrency import run_in_threadpool as run_in_threadpool
    from covet.config import ConfigError as ConfigError
    from covet.exceptions import ClientDisconnect as ClientDisconnect
    from covet.exceptions import HTTPException as HTTPException
    from covet.exceptions import RequestValidationError as RequestValidationError
    from covet.requests import Request as Request
    from covet.responses import HTMLResponse as HTMLResponse
    from covet.responses import JSONResponse as JSONResponse
    from covet.responses import PlainTextResponse as PlainTextResponse
    from covet.responses import RedirectResponse as RedirectResponse
    from covet.responses import Response as Response
    from covet.running import run as run
    from covet.server import Server as Server
    from covet.streaming import StreamingResponse as StreamingResponse

__version__ = "0.1.0"

_PLACES = {
    "BackgroundTask": "background",
    "BackgroundTasks": "background",
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
    "StreamingResponse": "streaming",
    "run": "running",
    "run_in_threadpool": "concurrency",
}

__all__ = [
    "BackgroundTask",
    "BackgroundTasks",
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
    "__version__",
    "run",
    "run_in_threadpool",
]


def __getattr__(name: str) -> object:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"covet.{place}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
