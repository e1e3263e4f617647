"""The access log through Python's logging, if the logger `covet.access` has a handler of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from .support import get, running

WORKERS = pytest.mark.parametrize("workers", ["1", "2"])


def configured(folder: Path, **formatter: Any) -> tuple[str, ...]:
    """Options of a server whose access log goes to the file `access`."""
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"access": formatter, "plain": {"format": "%(levelname)s %(message)s"}},
        "handlers": {
            "file": {"class": "logging.FileHandler", "filename": "access", "formatter": "access"},
            "err": {"class": "logging.StreamHandler", "formatter": "plain"},
        },
        "loggers": {
            "covet": {"handlers": ["err"], "level": "INFO"},
            "covet.access": {"handlers": ["file"], "level": "INFO", "propagate": False},
        },
    }
    (folder / "log.json").write_text(json.dumps(config), "utf-8")
    return ("--log-config", "log.json", "--port", "0")


@WORKERS
def test_records_are_like_uvicorns(folder: Path, workers: str) -> None:
    options = configured(folder, format="%(name)s %(levelname)s %(message)s %(args)s")
    with running("run", "main:app", "--workers", workers, *options, cwd=folder) as server:
        for path in ("/", "/nowhere?q=%22x%22&y=%25s"):
            get(("127.0.0.1", server.ports[0]), path)
    lines = (folder / "access").read_text("utf-8").splitlines()
    assert len(lines) == 2
    client = r"127\.0\.0\.1:\d+"
    assert re.fullmatch(
        rf"covet.access INFO {client} - \"GET / HTTP/1.1\" 200 \('{client}', 'GET', '/', '1.1', 200\)", lines[0]
    )
    assert '"GET /nowhere?q=%22x%22&y=%25s HTTP/1.1" 404' in lines[1]
    assert "GET" not in server.log  # the engine does not print them as well


@WORKERS
def test_the_formatter_has_the_names_of_uvicorns(folder: Path, workers: str) -> None:
    fmt = "%(client_addr)s|%(request_line)s|%(status_code)s"
    options = configured(folder, **{"()": "covet.log.AccessFormatter", "fmt": fmt, "use_colors": False})
    with running("run", "main:app", "--workers", workers, *options, cwd=folder) as server:
        get(("127.0.0.1", server.ports[0]), "/?a=b")
    (line,) = (folder / "access").read_text("utf-8").splitlines()
    assert re.fullmatch(r"INFO:     127\.0\.0\.1:\d+\|GET /\?a=b HTTP/1.1\|200", line)


@WORKERS
def test_a_format_of_ones_own_makes_the_message(folder: Path, workers: str) -> None:
    options = configured(folder, format="<%(message)s>")
    fmt = ("--access-log-fmt", "%(m)s %(U)s %(q)s %(s)s 100%%")
    with running("run", "main:app", "--workers", workers, *options, *fmt, cwd=folder) as server:
        get(("127.0.0.1", server.ports[0]), "/?a=%20b")
    assert (folder / "access").read_text("utf-8") == "<GET / a=%20b 200 100%>\n"


def test_clients_of_a_unix_socket(folder: Path) -> None:
    options = configured(folder, format="%(message)s")[:2]
    with running("run", "main:app", *options, "--uds", "s", cwd=folder):
        get(str(folder / "s"))
    assert (folder / "access").read_text("utf-8") == 'unix - "GET / HTTP/1.1" 200\n'


def test_no_line_is_lost_at_the_end(folder: Path) -> None:
    options = configured(folder, format="%(message)s")
    with running("run", "main:app", "--workers", "2", *options, cwd=folder) as server:
        for _ in range(300):
            get(("127.0.0.1", server.ports[0]))
    assert len((folder / "access").read_text("utf-8").splitlines()) == 300


@WORKERS
def test_without_a_handler_of_its_own_the_engine_writes(folder: Path, workers: str) -> None:
    options = configured(folder, format="%(message)s")
    config = json.loads((folder / "log.json").read_text("utf-8"))
    del config["loggers"]["covet.access"]
    (folder / "log.json").write_text(json.dumps(config), "utf-8")
    with running("run", "main:app", "--workers", workers, *options, cwd=folder) as server:
        get(("127.0.0.1", server.ports[0]))
    assert '"GET / HTTP/1.1" 200 OK' in server.log
    assert (folder / "access").read_text("utf-8") == ""
