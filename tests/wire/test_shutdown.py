"""Starting that fails, and stopping that always succeeds."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from .harness import Closed, Reader, Server
from .support import BACKENDS, LIMIT, ask, backend, eventually, head

GRACE = ("--timeout-graceful-shutdown", "1")
END_LIMIT = 25.0
"""Seconds: the grace, and the most that the server takes besides, generously."""
ENDS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
loops = pytest.mark.parametrize("loop", BACKENDS)


def end(server: Server, number: int = signal.SIGINT) -> int:
    server.process.send_signal(number)
    return server.process.wait(END_LIMIT)


def finished(server: Server) -> bool:
    return bool(eventually(lambda: "Finished server process" in server.log))


# ---- stopping -------------------------------------------------------------------


@loops
@ENDS
def test_idle(loop: str, number: int) -> None:
    with backend(loop, "ending:app") as server:
        assert ask(server, head("GET", "/ping")).status == 200
        assert end(server, number) == 0
        assert finished(server)
        with pytest.raises(ConnectionRefusedError):
            server.connect()
        for line in ("Shutting down", "Waiting for application shutdown.", "Application shutdown complete."):
            assert f"INFO:     {line}" in server.lines


@loops
def test_before_the_first_request(loop: str) -> None:
    with backend(loop, "ending:app") as server:
        assert end(server) == 0


@loops
def test_under_load_every_request_that_began_is_answered(loop: str) -> None:
    answered: set[str] = set()
    over = threading.Event()

    def client(number: int) -> None:
        count = 0
        while not over.is_set():
            try:
                with server.connect(LIMIT) as sock:
                    reader = Reader(sock)
                    while not over.is_set():
                        names = [f"{number}-{count + i}" for i in range(1 + number % 4)]
                        count += len(names)
                        sock.sendall(b"".join(head("GET", f"/work/{name}") for name in names))
                        for name in names:
                            answer = reader.answer()
                            assert json.loads(answer.body) == {"name": name}
                            answered.add(name)
            except (Closed, OSError):
                continue

    with backend(loop, "ending:app", "--no-access-log") as server:
        threads = [threading.Thread(target=client, args=(n,), daemon=True) for n in range(16)]
        for thread in threads:
            thread.start()
        eventually(lambda: len(answered) > 500)
        assert end(server) == 0
        over.set()
        for thread in threads:
            thread.join(LIMIT)
        assert finished(server)
        begun = json.loads(next(line for line in server.lines if line.startswith("BEGUN "))[6:])
    assert len(begun) > 500
    assert not set(begun) - answered, "requests were begun and not answered"


@loops
def test_an_upload_in_progress_is_finished(loop: str) -> None:
    with backend(loop, "ending:app", "--timeout-graceful-shutdown", "20") as server:
        with server.connect(LIMIT) as sock:
            sock.sendall(head("POST", "/upload/a", "Content-Length: 1000000") + bytes(500_000))
            assert ask(server, head("GET", "/ping")).status == 200
            server.process.send_signal(signal.SIGINT)
            eventually(lambda: "Shutting down" in server.log)
            sock.sendall(bytes(500_000))
            answer = Reader(sock).answer()
            assert answer.body == b"1000000" and answer.header("connection") == "close"
        assert server.process.wait(END_LIMIT) == 0


@loops
def test_with_clients_that_stay(loop: str) -> None:
    with backend(loop, "ending:app", *GRACE) as server, contextlib.ExitStack() as stack:
        silent, idle, begun, stream, unread = (stack.enter_context(server.connect(LIMIT)) for _ in range(5))
        idle.sendall(head("GET", "/ping"))
        assert Reader(idle).answer().status == 200
        begun.sendall(b"GET /ping HTT")
        stream.sendall(head("GET", "/stream"))
        Reader(stream).until(b"tick")
        unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        unread.sendall(head("GET", "/stream") * 3)
        assert end(server) == 0
        assert finished(server)
        assert "STREAM CLOSED" in server.log
        for sock in (silent, idle, begun):
            assert Reader(sock).at_end()


@loops
@pytest.mark.parametrize("path", ["/await", "/stubborn", "/thread", "/to-thread", "/spin", "/block", "/background"])
def test_with_a_handler_that_never_returns(loop: str, path: str) -> None:
    with backend(loop, "ending:app", *GRACE) as server, server.connect(LIMIT) as sock:
        sock.sendall(head("GET", path))
        eventually(lambda: "HANGS" in server.log)
        assert end(server) == 0


@loops
def test_with_many_of_them(loop: str) -> None:
    with backend(loop, "ending:app", *GRACE) as server, contextlib.ExitStack() as stack:
        for n in range(60):
            sock = stack.enter_context(server.connect(LIMIT))
            sock.sendall(head("GET", ["/await", "/thread", "/stubborn", "/stream"][n % 4]))
        eventually(lambda: server.log.count("HANGS") >= 40)
        assert end(server) == 0


@loops
@pytest.mark.parametrize("path", ["/await", "/stubborn", "/thread", "/stream", "/spin", "/block"])
def test_a_second_signal_does_not_wait(loop: str, path: str) -> None:
    with backend(loop, "ending:app", "--timeout-graceful-shutdown", "3600") as server, server.connect(LIMIT) as sock:
        sock.sendall(head("GET", path))
        eventually(lambda: "HANGS" in server.log or "/stream" in path)
        server.process.send_signal(signal.SIGINT)
        if path not in ("/spin", "/block"):
            eventually(lambda: "Shutting down" in server.log)
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(1.0)
        assert end(server) == 0


@loops
def test_a_second_signal_ends_a_shutdown_function_that_hangs(loop: str) -> None:
    with backend(loop, "ending:app", env={"ENDING": "hang at stop"}) as server:
        server.process.send_signal(signal.SIGINT)
        eventually(lambda: "BEGUN" in server.log)
        assert end(server) == 0


def test_a_shutdown_function_that_fails_is_logged() -> None:
    with backend("epoll", "ending:app", env={"ENDING": "fail at stop"}) as server:
        assert end(server) == 0
        assert eventually(lambda: "Application shutdown failed." in server.log)
        assert "RuntimeError: no database any more" in server.log


@loops
def test_many_starts_and_stops(loop: str) -> None:
    for _ in range(5):
        with backend(loop, "ending:app") as server:
            assert ask(server, head("GET", "/work/a")).status == 200
            assert end(server) == 0


# ---- starting --------------------------------------------------------------------


def covet(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:

    return subprocess.run(
        [sys.executable, "-m", "covet", "run", *arguments, "--app-dir", str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        timeout=2 * END_LIMIT,
        env={**os.environ, **environment},
    )


def test_port_0_prints_the_port() -> None:
    with backend("epoll", "ending:app") as server:
        assert server.port > 0
        line = f"INFO:     Covet running on http://127.0.0.1:{server.port} (Press CTRL+C to quit)"
        assert line in server.lines


@loops
def test_a_port_in_use(loop: str) -> None:
    with backend(loop, "ending:app") as server:
        second = covet("ending:app", "--port", str(server.port))
        assert second.returncode == 3
        errors = [line for line in second.stderr.splitlines() if line.startswith("ERROR")]
        assert len(errors) == 1 and "address already in use" in errors[0]
        assert str(server.port) in errors[0] and "Traceback" not in second.stderr
        assert ask(server, head("GET", "/ping")).status == 200


def test_a_port_in_use_by_another_program() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert covet("ending:app", "--port", str(other.getsockname()[1])).returncode == 3


def test_an_address_that_is_not_here() -> None:
    result = covet("ending:app", "--host", "192.0.2.1", "--port", "0")
    assert result.returncode == 3 and "cannot assign requested address" in result.stderr


@pytest.mark.parametrize(
    ("target", "word"), [("nowhere:app", "nowhere"), ("ending:nothing", "nothing"), ("ending", "ending")]
)
def test_an_application_that_is_not_there(target: str, word: str) -> None:
    result = covet(target, "--port", "0")
    assert result.returncode == 3
    assert "Error loading the application" in result.stderr and word in result.stderr
    assert "Traceback" not in result.stderr


def test_a_module_that_fails(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("1 / 0\n")
    result = covet("broken:app", "--port", "0", PYTHONPATH=str(tmp_path))
    assert result.returncode == 3 and "ZeroDivisionError" in result.stderr


@pytest.mark.parametrize(
    "options",
    [
        ("--port", "70000"),
        ("--port", "x"),
        ("--no-such-option",),
        ("--log-level", "loud"),
        ("--loop", "trio"),
        ("--workers", "0"),
        ("--request-timeout", "-1"),
        ("--max-body-size", "much"),
        ("--worker-connections", "0"),
        ("--max-exchanges", "0"),
    ],
)
def test_a_bad_option(options: tuple[str, ...]) -> None:
    result = covet("ending:app", *options)
    assert result.returncode == 2
    assert re.search(options[0].removeprefix("--").replace("-", "[-_]"), result.stderr)


def test_a_start_up_function_that_fails() -> None:
    result = covet("ending:app", "--port", "0", ENDING="fail at start")
    assert result.returncode == 3
    assert "RuntimeError: no database" in result.stderr and "Application startup failed. Exiting." in result.stderr
