"""An engine that fails while it serves takes the server with it, and says so."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import logging
import signal
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from wire.harness import Server, serve

from covet import CovetPy
from covet.config import ServeOptions, Settings
from covet.server import EngineFailed
from covet.server import Server as InProcess
from workers.faults import break_the_engine
from workers.harness import HERE, alive, command, eventually, get, logged, workers_of

FAULT = "import sys; sys.path.insert(0, {!r}); import faults; faults.break_the_engine_when_told()\n"


@contextlib.contextmanager
def broken_when_told(**options: Any) -> Iterator[Server]:
    """A supervised server whose engine SIGUSR1 breaks."""
    interpreter, flag, program, given = command(enable_io_uring=False, **options)
    with serve(command=[interpreter, flag, FAULT.format(str(HERE)) + program, given]) as server:
        yield server


def poke(server: Server) -> None:
    """Wakes the loops up: only then do they see what has happened."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        get(server, "/pid", 5)


def ends_with_its_engine(server: Server) -> None:
    server.process.send_signal(signal.SIGUSR1)
    eventually(lambda: poke(server) or server.process.poll() is not None)
    assert server.process.returncode == 1, server.log
    found = logged(server, r"CRITICAL: *The engine has failed: (.*)")
    assert found[1].startswith("loop 0: netio: epoll_pwait"), found[1]
    logged(server, "Application shutdown complete.")


@pytest.mark.parametrize("workers", [1, 2])
def test_with_workers(workers: int) -> None:
    with broken_when_told(workers=workers) as server:
        processes = workers_of(server)
        assert len(processes) == workers
        ends_with_its_engine(server)
        assert not [pid for pid in processes if alive(pid)]
        assert "ERROR" not in "\n".join(line for line in server.lines if "loop 0:" not in line), server.log
        assert "died" not in server.log


def test_in_one_process() -> None:
    program = "import covet; covet.run('app:app', port=0, enable_io_uring=False, app_dir={!r})"
    with serve(command=[sys.executable, "-c", (FAULT + program).format(str(HERE), str(HERE))]) as server:
        ends_with_its_engine(server)


def test_requests_in_work_do_not_keep_it() -> None:
    with broken_when_told(timeout_graceful_shutdown=600) as server, server.connect() as held:
        held.sendall(b"POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        logged(server, "holding")
        ends_with_its_engine(server)


def test_a_server_of_ones_own_raises(caplog: pytest.LogCaptureFixture) -> None:
    app = CovetPy()
    ended: list[str] = []

    @app.on_shutdown
    def end() -> None:
        ended.append("app")

    def ask(address: Any) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            urllib.request.urlopen(f"http://{address}/", timeout=5)

    async def main() -> None:
        server = InProcess(app, ServeOptions(port=0, access_log=False), Settings(enable_io_uring=False))
        serving = asyncio.ensure_future(server.serve())
        while not server.started:
            await asyncio.sleep(0.005)
        break_the_engine()
        async with asyncio.timeout(30):
            while not serving.done():
                await asyncio.to_thread(ask, server.address)
        with pytest.raises(EngineFailed, match="loop 0: netio: epoll_pwait"):
            serving.result()

    with caplog.at_level(logging.CRITICAL):
        asyncio.run(main())
    assert ended == ["app"]
    assert "The engine has failed: loop 0: netio: epoll_pwait" in caplog.text
