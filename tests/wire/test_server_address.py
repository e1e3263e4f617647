"""scope["server"] is the address that the client has connected to, whatever the Host field says, as under uvicorn."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from .harness import HERE, Reader, serve


def told(sock: socket.socket, head: str) -> Any:
    sock.sendall(f"GET /server {head}\r\n\r\n".encode())
    return json.loads(Reader(sock).answer().body)


@pytest.mark.parametrize("head", ["HTTP/1.0", "HTTP/1.1\r\nHost:"])
@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2"])
def test_without_a_host(address: str, head: str) -> None:
    with (
        serve("proxied_app:app", "--host", "0.0.0.0") as server,
        socket.create_connection((address, server.port), 10) as sock,
    ):
        found = told(sock, head)
    at = f"http://{address}:{server.port}"
    assert found == {"server": [address, server.port], "url": f"{at}/server", "base": f"{at}/"}


def test_a_host_is_not_the_server() -> None:
    with serve("proxied_app:app") as server, server.connect() as sock:
        for _ in range(2):
            found = told(sock, "HTTP/1.1\r\nHost: a.org:81")
            assert found["server"] == ["127.0.0.1", server.port]
            assert found["url"] == "http://a.org:81/server"
        # Proxies tell who the client is, and nothing of this.
        found = told(sock, "HTTP/1.1\r\nHost: a.org\r\nX-Forwarded-For: 2001:db8::1")
        assert found["server"] == ["127.0.0.1", server.port]


def test_other_kinds_of_addresses(tmp_path: Path) -> None:
    path = str(tmp_path / "sock")
    with socket.socket(socket.AF_INET6) as free:
        free.bind(("::1", 0))
        port = free.getsockname()[1]
    binds = ("--bind", "127.0.0.1:0", "--bind", f"[::1]:{port}", "--bind", f"unix:{path}")
    run = [sys.executable, "-m", "covet", "run", "proxied_app:app", "--app-dir", str(HERE), *binds]
    with serve(command=run):
        with socket.create_connection(("::1", port), 10) as sock:
            found = told(sock, "HTTP/1.1\r\nHost:")
            assert (found["server"], found["url"]) == (["::1", port], f"http://[::1]:{port}/server")
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(10)
            sock.connect(path)
            assert told(sock, "HTTP/1.1\r\nHost: a.org") == {
                "server": None,
                "url": "http://a.org/server",
                "base": "http://a.org/",
            }
