"""`covet status`, asking a socket that answers as a server does."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from covet.status_socket import StatusServer, default_socket
from covet.statustable import format_table

from .support import LIMIT, covet

FIGURES: dict[str, Any] = {"pid": 4711, "version": "0.1.0", "state": "running", "requests": 12, "workers": []}


@contextmanager
def answering(path: Path) -> Iterator[None]:
    """Has a control socket answer with the figures."""
    ready, over = threading.Event(), threading.Event()

    async def answer() -> None:
        server = StatusServer(path, lambda: FIGURES)
        await server.start()
        ready.set()
        await asyncio.to_thread(over.wait, LIMIT)
        await server.close()

    thread = threading.Thread(target=asyncio.run, args=(answer(),))
    thread.start()
    try:
        assert ready.wait(LIMIT)
        yield
    finally:
        over.set()
        thread.join(LIMIT)


@pytest.mark.parametrize("option", ["--socket", "--control-socket"])
def test_figures(tmp_path: Path, option: str) -> None:
    with answering(tmp_path / "c"):
        result = covet("status", option, "c", cwd=tmp_path)
        assert (result.returncode, result.stdout) == (0, format_table(FIGURES).rstrip("\n") + "\n")
        assert json.loads(covet("status", "--json", cwd=tmp_path, COVET_CONTROL_SOCKET="c").stdout) == FIGURES


def test_a_server_that_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_RUNTIME_DIR", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path))
    result = covet("status", cwd=tmp_path)
    assert result.returncode == 3 and result.stderr.startswith("Error: no running server was found")
    (tmp_path / "pid").write_text(f"{os.getpid()}\n", "utf-8")
    with answering(default_socket(os.getpid())):
        for arguments in ((), ("--pid-file", "pid")):
            result = covet("status", "--json", *arguments, cwd=tmp_path)
            assert json.loads(result.stdout) == FIGURES, result.stderr
        with answering(default_socket(1)):
            result = covet("status", cwd=tmp_path)
    assert result.returncode == 3 and "several servers run" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--socket", "none"), "Error: no server listens at none: there is no such socket\n"),
        (("--pid-file", "none"), "Error: none: No such file or directory; is the server running?\n"),
    ],
)
def test_no_server(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    result = covet("status", *arguments, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (3, message)
