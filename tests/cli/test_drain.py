"""While a server ends, nobody is kept waiting who could go elsewhere."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import pytest

from .support import running

APP = """
import asyncio
from covet import CovetPy

app = CovetPy(enable_io_uring={uring})


@app.get("/slow")
async def slow():
    await asyncio.sleep(2)
    return "done"


@app.readiness_check
async def ready():
    return True
"""


@pytest.mark.parametrize("uring", [True, False])
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("unix", [True, False])
def test_new_connections_are_refused(tmp_path: Path, uring: bool, workers: str, unix: bool) -> None:
    (tmp_path / "drains.py").write_text(APP.format(uring=uring))
    path = tmp_path / "drain.sock"
    where = f"unix:{path}" if unix else "127.0.0.1:0"
    with running("run", "drains:app", "--bind", where, "--workers", workers, cwd=tmp_path) as server:
        kind, address = (socket.AF_UNIX, str(path)) if unix else (socket.AF_INET, ("127.0.0.1", server.ports[0]))
        with socket.socket(kind) as client:
            client.settimeout(30)
            client.connect(address)
            client.sendall(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            refused = False
            while not refused:
                with socket.socket(kind) as late:
                    late.settimeout(5)
                    refused = late.connect_ex(address) != 0
            answer = client.recv(1000)
            while b"done" not in answer and (more := client.recv(1000)):
                answer += more
        assert b'"done"' in answer
        assert server.process.wait(20) == 0
    assert "accepting ends" not in server.log


@pytest.mark.parametrize("uring", [True, False])
@pytest.mark.parametrize(("workers", "seen"), [("1", b"503"), ("2", b"200")])
def test_what_a_probe_sees_on_a_busy_connection(tmp_path: Path, uring: bool, workers: str, seen: bytes) -> None:
    """docs/health.md says so."""
    (tmp_path / "drains.py").write_text(APP.format(uring=uring))
    with running("run", "drains:app", "--port", "0", "--workers", workers, cwd=tmp_path) as server:
        address = ("127.0.0.1", server.ports[0])
        with socket.create_connection(address, 30) as busy, socket.create_connection(address, 30) as idle:
            idle.sendall(b"GET /ready HTTP/1.1\r\nHost: h\r\n\r\n")
            assert idle.recv(1000).startswith(b"HTTP/1.1 200")
            busy.sendall(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            assert idle.recv(1000) == b""
            busy.sendall(b"GET /ready HTTP/1.1\r\nHost: h\r\n\r\n")
            answers = b""
            while piece := busy.recv(1000):
                answers += piece
        assert answers.count(b"HTTP/1.1 ") == 2
        assert answers.rpartition(b"HTTP/1.1 ")[2].startswith(seen)
        assert (b'"reason":"shutting down"' in answers) is (workers == "1")
        assert server.process.wait(20) == 0
