"""LiveServer: an application behind the real engine and a real socket, for the length of a test."""

import asyncio
import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import httpx

    from covet.server import Server

START_SECONDS = 60.0
STOP_SECONDS = 30.0
LOOK_SECONDS = 0.005
FOUND = re.compile(r"Covet running on (http://\S+)")
PROGRAM = "import json, sys, covet; covet.run(**json.loads(sys.argv[1]))"

NEEDS_A_NAME = 'several workers need the application\'s name, such as "main:app", not the application itself'

logger = logging.getLogger("covet.error")


class LiveServerFailed(RuntimeError):
    """The server did not start, or did not stop; the text has what is known."""


class LiveServer:
    """Serves an application on a free port; `with` starts and stops it.

    One worker runs in a thread of this process, so the application can be looked into; with `workers` or other options
    that ask for processes, it is `covet run` in a process of its own.

    Args:
        app: the application (CovetPy, ASGI 3 or WSGI), or its name such as "main:app".
        options: the options and settings of `covet.run`. Without `port`, a free one is taken.

    Attributes:
        app: the application that is served in this process; else None.
        url: the server's address, such as http://127.0.0.1:50123, without a slash at its end.
        host: the host in it.
        port: the port in it.

    Raises:
        TypeError: there is no option of a name.
        ConfigError: an option or setting cannot be used.
    """

    def __init__(self, app: Any, **options: Any) -> None:
        options = {"host": "127.0.0.1", "port": 0, "access_log": False, **options}
        if not options.keys().isdisjoint(("uds", "fd", "bind")):
            raise TypeError("a LiveServer listens on host and port, not on uds, fd or bind")
        from covet.given import read

        environment = (
            {"FORWARDED_ALLOW_IPS": os.environ["FORWARDED_ALLOW_IPS"]} if "FORWARDED_ALLOW_IPS" in os.environ else {}
        )
        serve, settings = read(options, environment=environment)
        if serve.supervised and not isinstance(app, str):
            raise TypeError(NEEDS_A_NAME)
        self.app: Any = None
        self.url = self.host = ""
        self.port = 0
        self._client: httpx.Client | None = None
        self._runner: _Process | _Thread = (
            _Process({"app": app, **options}) if serve.supervised else _Thread(app, serve, settings)
        )

    @property
    def client(self) -> "httpx.Client":
        """An httpx.Client whose paths are relative to the server's address."""
        if self._client is None:
            from covet.testing.http_library import httpx

            self._client = httpx.Client(base_url=self.url)
        return self._client

    @property
    def log(self) -> str:
        """What the server's own process has printed so far; a server in this process logs as this process does."""
        return self._runner.log

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Waits until the server listens. Raises LiveServerFailed, and what the application's start-up raises."""
        self.url = self._runner.start()
        self.app = self._runner.app
        self.host, _, port = self.url.removeprefix("http://").rpartition(":")
        self.port = int(port)

    def stop(self) -> None:
        """Waits until the server has stopped; it need not have been started. Raises LiveServerFailed."""
        if self._client is not None:
            self._client.close()
            self._client = None
        self._runner.stop()


class _Thread:
    """A server in a thread of this process."""

    log = ""

    def __init__(self, app: Any, serve: Any, settings: Mapping[str, Any]) -> None:
        self.app = app
        self._serve = serve
        self._settings = settings
        self._server: Server | None = None
        self._listening: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="covet-live-server", daemon=True)

    def start(self) -> str:
        from covet.server import Server

        if isinstance(self.app, str):
            from covet.importer import import_app

            self.app = import_app(self.app, factory=self._serve.factory)
        self._server = server = Server(self.app, self._serve)
        server.settings = replace(server.settings, **{**self._settings, "workers": 1})
        self._thread.start()
        try:
            self._listening.result(START_SECONDS)
        except TimeoutError:
            self.stop()
            raise LiveServerFailed(f"the server did not start within {START_SECONDS:g} seconds") from None
        host = "[::1]" if ":" in self._serve.host else self._serve.host
        assert server.address is not None  # it listens
        return f"http://{host}:{server.address.rpartition(':')[2]}"

    def stop(self) -> None:
        if self._server is None or not self._thread.is_alive():
            return
        self._server.should_exit = True
        self._thread.join(STOP_SECONDS)
        if self._thread.is_alive():
            raise LiveServerFailed(f"the server did not stop within {STOP_SECONDS:g} seconds; a handler still runs")

    def _run(self) -> None:
        from covet.eventloop import loop_factory

        try:
            with asyncio.Runner(loop_factory=loop_factory(self._serve.loop)) as runner:
                runner.run(self._main())
        except BaseException as error:
            if self._listening.done():
                logger.error("The live server ended with an error", exc_info=error)
                return
            self._listening.set_exception(error.__cause__ or error)

    async def _main(self) -> None:
        assert self._server is not None  # made before the thread
        serving = asyncio.ensure_future(self._server.serve())
        while not self._server.started and not serving.done():
            await asyncio.sleep(LOOK_SECONDS)
        if self._server.started:
            self._listening.set_result(None)
        await serving
        if not self._listening.done():
            self._listening.set_exception(LiveServerFailed("the server ended before it listened"))


class _Process:
    """A server in a process of its own."""

    app = None

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._arguments = json.dumps(arguments)
        self._process: subprocess.Popen[str] | None = None
        self._lines: list[str] = []
        self._listening: Future[str] = Future()

    @property
    def log(self) -> str:
        return "".join(self._lines)

    def start(self) -> str:
        # The process is to find what this one finds: pytest adds folders to the path.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, self._arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        self._reader = threading.Thread(target=self._read, name="covet-live-log", daemon=True)
        self._reader.start()
        try:
            return self._listening.result(START_SECONDS)
        except (TimeoutError, LiveServerFailed):
            self._process.kill()
            self._process.wait()
            self._reader.join()
            raise LiveServerFailed(f"the server did not start:\n{self.log}") from None

    def stop(self) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise LiveServerFailed(f"the server did not stop within {STOP_SECONDS:g} seconds:\n{self.log}") from None
        finally:
            self._reader.join()

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.append(line)
            if not self._listening.done() and (found := FOUND.search(line)):
                self._listening.set_result(found[1])
        with suppress(Exception):  # it has been found
            self._listening.set_exception(LiveServerFailed("ended"))
