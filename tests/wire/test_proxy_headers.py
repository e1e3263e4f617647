"""X-Forwarded-For and X-Forwarded-Proto count from trusted proxies, and from nobody else."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from .harness import HERE, Reader, Server, serve
from .support import eventually

PLAIN: dict[str, Any] = {"client": "127.0.0.1", "scheme": "http"}
FORWARDED = "X-Forwarded-For: 203.0.113.9, 192.0.2.7, 10.1.2.3\r\nX-Forwarded-Proto: https\r\n"


def ask(sock: socket.socket, fields: str, path: str = "/origin") -> Any:
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: example.org\r\n{fields}\r\n".encode())
    return Reader(sock).answer()


def origin(sock: socket.socket, fields: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ask(sock, fields).body)
    return found


def origin_of(server: Server, fields: str) -> dict[str, Any]:
    with server.connect() as sock:
        return origin(sock, fields)


def test_a_trusted_proxy_is_believed() -> None:
    with serve("proxied_app:app", "--forwarded-allow-ips", "127.0.0.1,10.0.0.0/8") as server:
        with server.connect() as sock:
            assert origin(sock, FORWARDED) == {"client": "192.0.2.7", "port": 0, "scheme": "https"}
            # What one request says is not said of the next one on the connection.
            assert origin(sock, "") == {**PLAIN, "port": sock.getsockname()[1]}
            moved = ask(sock, FORWARDED, "/origin/")
            assert (moved.status, moved.header("location")) == (307, "https://example.org/origin")
            ask(sock, FORWARDED, "/constant")
        eventually(lambda: server.log.count('INFO:     192.0.2.7:0 - "GET ') == 3)


@pytest.mark.parametrize("options", [("--forwarded-allow-ips", "192.0.2.1,10.0.0.0/8"), ("--no-proxy-headers",)])
def test_nobody_else_is_believed(options: tuple[str, ...]) -> None:
    with serve("proxied_app:app", *options) as server, server.connect() as sock:
        assert origin(sock, FORWARDED) == {**PLAIN, "port": sock.getsockname()[1]}
        moved = ask(sock, FORWARDED, "/origin/")
        assert moved.header("location") == "http://example.org/origin"


def test_the_default_trusts_this_machine() -> None:
    with serve("proxied_app:app") as server:
        assert origin_of(server, "X-Forwarded-For: 2001:db8::5\r\n")["client"] == "2001:db8::5"


def test_a_unix_socket_is_trusted_by_name(tmp_path: Path) -> None:
    path = str(tmp_path / "sock")
    binds = ("--bind", "127.0.0.1:0", "--bind", f"unix:{path}")
    run = [sys.executable, "-m", "covet", "run", "proxied_app:app", "--app-dir", str(HERE), *binds]
    with serve(command=[*run, "--forwarded-allow-ips", "unix"]) as server, socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(path)
        assert origin(sock, FORWARDED) == {"client": "10.1.2.3", "port": 0, "scheme": "https"}
        assert origin_of(server, FORWARDED)["client"] == "127.0.0.1"


def test_a_list_with_something_else_is_refused() -> None:
    with pytest.raises(AssertionError, match=r"forwarded.allow.ips.*localhost"):  # noqa: SIM117
        with serve("proxied_app:app", "--forwarded-allow-ips", "localhost"):
            pass
