"""CovetPy: a web framework for Python, served by a native engine.

Names are loaded when they are first used, so `import covet` costs little.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from covet import status as status
    from covet.app import CovetPy as CovetPy
    from covet.app import CovetPy as FastAPI
    from covet.background import BackgroundTask as BackgroundTask
    from covet.background import BackgroundTasks as BackgroundTasks
    from covet.concurrency import run_in_threadpool as run_in_threadpool
    from covet.config import ConfigError as ConfigError
    from covet.controllers import Controller as Controller
    from covet.datastructures import UploadFile as UploadFile
    from covet.exceptions import ClientDisconnect as ClientDisconnect
    from covet.exceptions import HTTPException as HTTPException
    from covet.exceptions import RequestValidationError as RequestValidationError
    from covet.exceptions import ResponseValidationError as ResponseValidationError
    from covet.exceptions import WebSocketDisconnect as WebSocketDisconnect
    from covet.exceptions import WebSocketException as WebSocketException
    from covet.param_functions import Body as Body
    from covet.param_functions import Cookie as Cookie
    from covet.param_functions import Depends as Depends
    from covet.param_functions import File as File
    from covet.param_functions import Form as Form
    from covet.param_functions import Header as Header
    from covet.param_functions import Inject as Inject
    from covet.param_functions import Path as Path
    from covet.param_functions import Query as Query
    from covet.param_functions import Security as Security
    from covet.requests import Request as Request
    from covet.responses import FileResponse as FileResponse
    from covet.responses import HTMLResponse as HTMLResponse
    from covet.responses import JSONResponse as JSONResponse
    from covet.responses import PlainTextResponse as PlainTextResponse
    from covet.responses import RedirectResponse as RedirectResponse
    from covet.responses import Response as Response
    from covet.responses import StreamingResponse as StreamingResponse
    from covet.routers import APIRouter as APIRouter
    from covet.running import run as run
    from covet.server import Server as Server
    from covet.websockets import WebSocket as WebSocket

__version__ = "0.1.0"

_PLACES = {
    "APIRouter": "routers",
    "BackgroundTask": "background",
    "BackgroundTasks": "background",
    "Body": "param_functions",
    "ClientDisconnect": "exceptions",
    "ConfigError": "config",
    "Controller": "controllers",
    "Cookie": "param_functions",
    "CovetPy": "app",
    "Depends": "param_functions",
    "FastAPI": "app",
    "File": "param_functions",
    "FileResponse": "responses",
    "Form": "param_functions",
    "HTMLResponse": "responses",
    "HTTPException": "exceptions",
    "Header": "param_functions",
    "Inject": "param_functions",
    "JSONResponse": "responses",
    "Path": "param_functions",
    "PlainTextResponse": "responses",
    "Query": "param_functions",
    "RedirectResponse": "responses",
    "Request": "requests",
    "RequestValidationError": "exceptions",
    "Response": "responses",
    "ResponseValidationError": "exceptions",
    "Security": "param_functions",
    "Server": "server",
    "StreamingResponse": "responses",
    "UploadFile": "uploads",
    "WebSocket": "websockets",
    "WebSocketDisconnect": "exceptions",
    "WebSocketException": "exceptions",
    "run": "running",
    "run_in_threadpool": "concurrency",
}

_MODULES = frozenset({"status"})

__all__ = [
    "APIRouter",
    "BackgroundTask",
    "BackgroundTasks",
    "Body",
    "ClientDisconnect",
    "ConfigError",
    "Controller",
    "Cookie",
    "CovetPy",
    "Depends",
    "FastAPI",
    "File",
    "FileResponse",
    "Form",
    "HTMLResponse",
    "HTTPException",
    "Header",
    "Inject",
    "JSONResponse",
    "Path",
    "PlainTextResponse",
    "Query",
    "RedirectResponse",
    "Request",
    "RequestValidationError",
    "Response",
    "ResponseValidationError",
    "Security",
    "Server",
    "StreamingResponse",
    "UploadFile",
    "WebSocket",
    "WebSocketDisconnect",
    "WebSocketException",
    "__version__",
    "run",
    "run_in_threadpool",
    "status",
]


def __getattr__(name: str) -> object:
    value: object
    if name in _MODULES:
        value = import_module(f"covet.{name}")
    elif name in _PLACES:
        value = getattr(import_module(f"covet.{_PLACES[name]}"), "CovetPy" if name == "FastAPI" else name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
