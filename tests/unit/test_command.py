"""`covet run`: options, environment, exit codes, log lines."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from serving import served

from covet import __version__

APPLICATION = """
import asyncio, sys, time
from covet import CovetPy

app = CovetPy()
box = type("Box", (), {"inner": app})

@app.get("/")
async def index() -> str:
    return "hello"

@app.get("/modules")
async def modules() -> list[str]:
    return sorted(sys.modules)

@app.get("/loop")
async def loop() -> str:
    return type(asyncio.get_running_loop()).__module__

@app.get("/block")
async def block() -> None:
    while True:
        time.sleep(0.1)

@app.get("/thread")
async def thread() -> None:
    await asyncio.to_thread(time.sleep, 3600)

@app.get("/fail")
async def fail() -> None:
    raise RuntimeError("as asked")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "main.py").write_text(APPLICATION, "utf-8")
    return tmp_path


def covet(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "covet", *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return str(answer.read().decode())


def test_the_log_is_uvicorns(folder: Path) -> None:
    with served("main:app", app_dir=folder) as server:
        assert get(server.url + "/?a=%20b") == '"hello"'
    pid = server.process.pid
    lines = re.sub(r"127\.0\.0\.1:\d+ -", "CLIENT -", server.log).splitlines()
    assert sorted(lines) == sorted(
        [
            f"INFO:     Started server process [{pid}]",
            "INFO:     Waiting for application startup.",
            "INFO:     Application startup complete.",
            f"INFO:     Covet running on {server.url} (Press CTRL+C to quit)",
            'INFO:     CLIENT - "GET /?a=%20b HTTP/1.1" 200 OK',
            "INFO:     Shutting down",
            "INFO:     Waiting for application shutdown.",
            "INFO:     Application shutdown complete.",
            f"INFO:     Finished server process [{pid}]",
        ]
    )


def test_what_an_application_does_not_use_is_not_loaded(folder: Path) -> None:
    with served("main:app", app_dir=folder) as server:
        modules = get(server.url + "/modules")
    assert '"covet.app"' in modules
    for name in ("pydantic", "pycparser", "cffi", "email", "http.client", "multiprocessing"):
        assert f'"{name}"' not in modules


@pytest.mark.parametrize(("loop", "module"), [("asyncio", "asyncio.unix_events"), ("uvloop", "uvloop")])
def test_the_loop_can_be_chosen(folder: Path, loop: str, module: str) -> None:
    with served("main:box.inner", app_dir=folder, options=("--loop", loop, "--no-access-log")) as server:
        assert get(server.url + "/loop") == f'"{module}"'
    assert "GET" not in server.log


def test_errors_are_logged_with_their_traceback(folder: Path) -> None:
    with served("main:app", app_dir=folder) as server, pytest.raises(urllib.error.HTTPError) as caught:
        get(server.url + "/fail")
    assert (caught.value.code, caught.value.read()) == (500, b"Internal Server Error")
    assert "ERROR:    Exception while answering GET /fail\nTraceback" in server.log
    assert 'raise RuntimeError("as asked")\nRuntimeError: as asked\n' in server.log


def test_log_level(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = covet("run", "main:app", "--port", port, "--log-level", "error", cwd=folder)
    where = f"('127.0.0.1', {port})"
    assert result.returncode == 3
    expected = f"ERROR:    [Errno 98] error while attempting to bind on address {where}: address already in use\n"
    assert result.stderr == expected


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("main", 'Import string "main" must be in format "<module>:<attribute>".'),
        ("missing:app", 'Could not import module "missing".'),
        ("main:missing", 'Attribute "missing" not found in module "main".'),
        (
            "main:box",
            "'Box' takes neither (scope, receive, send) nor (environ, start_response): "
            "covet serves CovetPy, ASGI 3 and WSGI applications.",
        ),
    ],
)
def test_applications_that_are_not_there(folder: Path, name: str, message: str) -> None:
    result = covet("run", name, cwd=folder)
    assert (result.returncode, result.stderr) == (3, f"ERROR:    Error loading the application. {message}\n")


def test_an_error_in_the_module_shows_its_traceback(folder: Path) -> None:
    (folder / "broken.py").write_text("import nowhere_to_be_found\n", "utf-8")
    result = covet("run", "broken:app", cwd=folder)
    assert result.returncode == 3
    assert "ModuleNotFoundError: No module named 'nowhere_to_be_found'" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--workers", "65"), "workers must be from 1 to 64"),
        (("--workers", "many"), "workers must be a whole number or"),
        (("--port", "70000"), "port must be from 0 to 65535"),
        (("--port", "x"), "'x' is not a valid integer"),
        (("--log-level", "loud"), "'loud' is not one of"),
        (("--max-body-size", "big"), "max_body_size must be a size"),
        (("--nonsense",), "No such option"),
    ],
)
def test_wrong_options(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    result = covet("run", "main:app", *arguments, cwd=folder)
    assert result.returncode == 2
    assert message in result.stderr and "Traceback" not in result.stderr


def test_a_wrong_setting_in_the_module(folder: Path) -> None:
    (folder / "wrong.py").write_text("from covet import CovetPy\napp = CovetPy(workers=400)\n", "utf-8")
    result = covet("run", "wrong:app", cwd=folder)
    assert result.returncode == 2 and "workers must be from 1 to 64" in result.stderr


def test_the_environment_sets_options(folder: Path) -> None:
    result = covet("run", cwd=folder, COVET_APP="main:app", COVET_PORT="99999")
    assert result.returncode == 2 and "port must be" in result.stderr
    result = covet("run", "main:app", cwd=folder, COVET_REQUEST_BUFFER_SIZE="1KB")
    assert result.returncode == 2 and "request_buffer_size must be" in result.stderr


def test_version(folder: Path) -> None:
    assert covet("--version", cwd=folder).stdout == f"covet {__version__}\n"


def begin(url: str) -> socket.socket:
    """Asks for a URL without waiting for the answer."""
    address, _, path = url.removeprefix("http://").partition("/")
    host, _, port = address.partition(":")
    connection = socket.create_connection((host, int(port)), timeout=20)
    connection.sendall(f"GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    return connection


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("path", ["block", "thread"])
def test_a_handler_that_never_returns_does_not_keep_the_process(folder: Path, path: str, loop: str) -> None:
    options = ("--timeout-graceful-shutdown", "0.5", "--loop", loop)
    with served("main:app", app_dir=folder, options=options) as server:
        connection = begin(f"{server.url}/{path}")
        # The second request tells that the first one has begun, unless the loop is blocked already.
        connection.settimeout(0.5)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert server.stop() == 0
        connection.close()


def test_a_second_signal_does_not_wait(folder: Path) -> None:
    source = textwrap.dedent("""
        import asyncio
        from covet import CovetPy
        app = CovetPy()
        @app.get("/hang")
        async def hang() -> None:
            print("begun", flush=True)
            await asyncio.sleep(3600)
        @app.on_shutdown
        async def never() -> None:
            await asyncio.sleep(3600)
    """)
    (folder / "slow.py").write_text(source, "utf-8")
    options = ("--timeout-graceful-shutdown", "3600")
    with served("slow:app", app_dir=folder, options=options) as server, begin(f"{server.url}/hang"):
        while "begun" not in server.log:
            assert server.process.poll() is None
        server.process.send_signal(signal.SIGTERM)
        while "Shutting down" not in server.log:
            assert server.process.poll() is None
        assert server.stop() == 0


def test_run_from_a_script(folder: Path) -> None:
    script = APPLICATION + '\napp.run(port=0, log_level="warning", nonsense=1)\n'
    result = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, timeout=60)
    assert "unexpected keyword argument 'nonsense'" in result.stderr
    script = APPLICATION + "\n@app.on_startup\ndef fail(): 1 / 0\napp.run(port=0)\n"
    result = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, timeout=60)
    assert result.returncode == 3 and "ZeroDivisionError" in result.stderr
