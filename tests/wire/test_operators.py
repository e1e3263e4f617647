"""Options of operators: who may connect, how many at once, what every answer says."""

import os
import socket
import stat
import sys
import threading
from pathlib import Path

import pytest

from .harness import HERE, serve

RUN = [sys.executable, "-m", "covet", "run", "app:app", f"--app-dir={HERE}"]


def ask(sock: socket.socket, target: str = "/items/1") -> bytes:
    """One request with its whole answer."""
    sock.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    answer = b""
    while chunk := sock.recv(65536):
        answer += chunk
    return answer


@pytest.mark.parametrize("mode", ["600", "666"])
def test_permissions_of_a_unix_socket(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "covet.sock"
    bound = ("--bind=127.0.0.1:0", f"--bind=unix:{path}", f"--uds-permissions={mode}")
    before = os.umask(0o077)
    try:
        with serve(command=[*RUN, *bound]) as server:
            assert stat.S_IMODE(path.stat().st_mode) == int(mode, 8)
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(str(path))
                assert ask(sock).startswith(b"HTTP/1.1 200 ")
            with server.connect() as sock:
                assert ask(sock).startswith(b"HTTP/1.1 200 ")
    finally:
        os.umask(before)
    assert not path.exists()


def test_the_ipv6_wildcard_takes_ipv4_too() -> None:
    with serve(command=[*RUN, "--bind=127.0.0.1:0", "--bind=[::]:0"]) as server:
        port = int(server.log.partition("http://[::]:")[2].split()[0].rstrip(",)"))
        for address in ("127.0.0.1", "::1"):
            with socket.create_connection((address, port), 10) as sock:
                assert ask(sock).startswith(b"HTTP/1.1 200 ")


def test_limit_concurrency() -> None:
    with serve("app:app", "--limit-concurrency=2") as server:
        waiting = [server.connect() for _ in range(2)]
        for sock in waiting:
            sock.sendall(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
        answers: list[bytes] = []

        def until_refused() -> None:
            while not answers or b" 503 " not in answers[-1].split(b"\r\n")[0]:
                with server.connect() as sock:
                    answers.append(ask(sock, "/items/1"))

        asking = threading.Thread(target=until_refused)
        asking.start()
        asking.join(20)
        assert not asking.is_alive()
        assert b"retry-after: 1" in answers[-1].lower()
        for sock in waiting:
            sock.close()


def test_headers_of_every_answer() -> None:
    options = ("--header=X-Frame-Options: DENY", "--header=X-Two:2", "--no-server-header")
    with serve("app:app", *options) as server:
        for target in ("/ping", "/nowhere", "/items/1"):
            with server.connect() as sock:
                lines = ask(sock, target).lower().split(b"\r\n\r\n")[0].split(b"\r\n")
            assert b"x-frame-options: deny" in lines
            assert b"x-two: 2" in lines
            assert not [line for line in lines if line.startswith(b"server:")]
            assert [line for line in lines if line.startswith(b"date:")]
