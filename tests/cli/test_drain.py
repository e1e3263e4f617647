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
