"""Live servers, alone and as a fixture of pytest."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import covet.pytest_plugin
from covet import CovetPy
from covet.config import ConfigError
from covet.importer import ImportFailed
from covet.testing import LiveServer, LiveServerFailed

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
NAME = "testing.live_app:app"

covet_live = covet.pytest_plugin.covet_live


def test_an_application_in_this_process() -> None:
    app = CovetPy()

    @app.get("/")
    async def root() -> str:
        return threading.current_thread().name

    with LiveServer(app) as server:
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert (server.host, server.app) == ("127.0.0.1", app)
        assert server.client.get("/").json() == "covet-live-server"
        assert httpx.get(f"{server.url}/").headers["server"] == "covet"
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/")
    server.stop()  # nothing is left to stop


def test_several_at_a_time_with_options_and_settings() -> None:
    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"asgi"})

    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"wsgi"]

    with (
        LiveServer(NAME, max_body_size=10, headers=["X-Own: yes"]) as own,
        LiveServer(asgi, lifespan="off") as second,
        LiveServer(wsgi) as third,
    ):
        answer = own.client.get("/")
        assert answer.json() == {"process": os.getpid()}
        assert answer.headers["x-own"] == "yes"
        assert own.client.post("/", content=bytes(11)).status_code == 413
        assert (second.client.get("/").text, third.client.get("/").text) == ("asgi", "wsgi")


def test_several_workers_are_processes() -> None:
    with LiveServer(NAME, workers=2) as server:
        assert server.app is None
        assert server.client.get("/").json()["process"] != os.getpid()
        assert "Covet running on" in server.log
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/")


def test_a_factory() -> None:
    with LiveServer("testing.live_app:make", factory=True) as server:
        assert server.app.title == "live"


def test_a_start_that_fails() -> None:
    app = CovetPy()

    @app.on_startup
    def fail() -> None:
        raise OSError("no database")

    with pytest.raises(OSError, match="no database"), LiveServer(app):
        raise AssertionError
    with pytest.raises(OSError, match="no application today"), LiveServer("testing.live_app:fails", factory=True):
        raise AssertionError
    with pytest.raises(ImportFailed, match="nowhere"), LiveServer("nowhere:app"):
        raise AssertionError
    with (
        pytest.raises(LiveServerFailed, match="no application today"),
        LiveServer("testing.live_app:fails", factory=True, workers=2),
    ):
        raise AssertionError
    with (
        LiveServer(NAME) as server,
        pytest.raises(Exception, match=str(server.port)),
        LiveServer(NAME, port=server.port),
    ):
        raise AssertionError


def test_wrong_options() -> None:
    with pytest.raises(TypeError, match="nonsense"):
        LiveServer(NAME, nonsense=1)
    with pytest.raises(TypeError, match="uds"):
        LiveServer(NAME, uds="/tmp/socket")
    with pytest.raises(TypeError, match="main:app"):
        LiveServer(CovetPy(), workers=2)
    with pytest.raises(ConfigError, match="port"):
        LiveServer(NAME, port=-1)


def test_the_fixture(covet_live: Callable[..., LiveServer]) -> None:
    first, second = covet_live(NAME), covet_live(NAME)
    assert first.port != second.port
    assert first.client.get("/").status_code == second.client.get("/").status_code == 200


def test_the_plugin(tmp_path: Path) -> None:
    """In a pytest of its own: servers are stopped when their test ends, also when it fails."""
    (tmp_path / "test_it.py").write_text(
        """
import httpx, pytest
urls = []

def test_fails(covet_live):
    server = covet_live("testing.live_app:app")
    urls.append(server.url)
    assert server.client.get("/").status_code == 404

def test_it_is_gone():
    with pytest.raises(httpx.ConnectError):
        httpx.get(urls[0])
"""
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "covet.pytest_plugin", "-p", "no:cacheprovider", "test_it.py"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "1 failed, 1 passed" in result.stdout, result.stdout + result.stderr


def test_the_plugin_loads_nothing() -> None:
    code = "import sys, pytest, covet.pytest_plugin; print(*(m for m in sys.modules if m.startswith('covet.')))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "covet.pytest_plugin\n"
    )
