"""WSGI applications (PEP 3333): each request is a call of the application in a thread."""

import asyncio
import io
import sys
from collections.abc import Callable, Iterable, Mapping
from contextvars import copy_context
from functools import partial
from typing import Any
from urllib.parse import unquote_to_bytes

from covet.concurrency import ThreadPool
from covet.config import Settings
from covet.core import Exchange
from covet.encoders import encode
from covet.interfaces import Calls
from covet.interfaces.answers import answer_cancellation, answer_error
from covet.interfaces.wsgi_cycle import Cycle
from covet.interfaces.wsgi_io import FileWrapper, RequestBody
from covet.lifespan import Lifespan, with_hooks

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class WsgiApplication:
    """A WSGI application: it gets every request.

    Args:
        app: the application.
        root_path: where the application is mounted.
        threads: how many requests run at a time; further ones wait.
        several: other processes may run the application at the same time.
    """

    interface = "wsgi"
    figures = None
    topics = None

    def __init__(self, app: WsgiApp, root_path: str = "", threads: int = 40, *, several: bool = False) -> None:
        self._app = app
        self._template = template(root_path, several)
        self._threads = threads
        self.settings = Settings()

    def engine(self) -> dict[str, Any]:
        return {"forward_unmatched": True, "routes": []}

    def drain(self) -> None:
        """Nothing is to be done: the interface knows no such thing."""

    def lifespan(self) -> Lifespan:
        return Lifespan(None, with_hooks(None, (), ()))

    def calls(self, settings: Settings, state: Mapping[str, Any]) -> Calls:
        pool = ThreadPool(self._threads)

        def call(x: Exchange) -> Any:
            return answer(x, self._app, pool, self._template)

        return Calls([(call, 200, False)], encode, _nothing, _failed)


async def answer(x: Exchange, app: WsgiApp, pool: ThreadPool, template: dict[str, Any]) -> None:
    """Answers one request.

    Args:
        x: the exchange.
        app: the application.
        pool: where it runs.
        template: the part of the environ that all requests have in common.
    """
    cycle = Cycle(x, asyncio.get_running_loop())
    environ = template | environ_of(x)
    whole = x.body_whole()
    environ["wsgi.input"] = RequestBody(cycle.next_piece) if whole is None else io.BytesIO(whole)
    pool.start(partial(copy_context().run, cycle.run, app, environ))
    await cycle.serve()


def template(root_path: str, several: bool) -> dict[str, Any]:
    """The part of the environ that all requests have in common; see WsgiApplication."""
    return {
        "SCRIPT_NAME": root_path.encode().decode("latin-1"),
        "SERVER_SOFTWARE": "covet",
        "wsgi.version": (1, 0),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": several,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        "wsgi.input_terminated": True,
    }


def environ_of(x: Exchange) -> dict[str, Any]:
    """The part of the environ that the request decides, without its body."""
    raw_path = x.raw_path
    path = unquote_to_bytes(raw_path) if b"%" in raw_path else raw_path
    name, port = x.server or ("localhost", 80)
    target = x.target.decode("latin-1")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": x.method,
        "PATH_INFO": path.decode("latin-1"),
        "QUERY_STRING": x.query_string.decode("latin-1"),
        "RAW_URI": target,
        "REQUEST_URI": target,
        "SERVER_NAME": name,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{x.http_version}",
        "wsgi.url_scheme": x.scheme,
    }
    if client := x.client:
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = client[0], str(client[1])
    for field, octets in x.headers():
        _add_field(environ, field, octets.decode("latin-1"))
    return environ


def _add_field(environ: dict[str, Any], field: bytes, value: str) -> None:
    # With an underscore a field would pass for the one with a hyphen, which a proxy may have checked; HTTP_PROXY
    # is what programs take for the address of a proxy of theirs.
    if b"_" in field or field == b"proxy":
        return
    key = field.decode("latin-1").upper().replace("-", "_")
    if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        key = f"HTTP_{key}"
    if key in environ:
        value = f"{environ[key]}{'; ' if field == b'cookie' else ','}{value}"
    environ[key] = value


def _nothing(x: Exchange, result: Any) -> None:
    """The cycle has answered."""


def _failed(x: Exchange, error: BaseException) -> None:
    if isinstance(error, asyncio.CancelledError):
        answer_cancellation(x)
    else:
        answer_error(x, error, "WSGI")
