"""Files over real sockets: the engine sends them, whatever clients and workers do meanwhile."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from serving import Server, served

APP = """
import json
import os
from covet import CovetPy, FileResponse, Request
from covet.requests import news_of
from covet.staticfiles import StaticFiles

app = CovetPy(enable_io_uring={uring}, body_timeout=3)
app.mount("/static", StaticFiles(directory="public"))

@app.get("/file/{name}")
@app.head("/file/{name}")
async def file(name: str):
    return FileResponse("public/" + name)

def outcome(call, *arguments):
    try:
        return call(*arguments)
    except Exception as error:
        return f"{type(error).__name__}: {error}"

@app.get("/misuse")
async def misuse(request: Request):
    x = request.exchange
    found = [outcome(x.send_file, 0, 0, 1)]
    x.start(200, 0, b"", -1)
    for arguments in ((-1, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, -1), (0, 0), ("a", 0, 1)):
        found.append(outcome(x.send_file, *arguments))
    found.append(x.file_taken)
    reading, writing = os.pipe()
    found.append(x.send_file(reading, 0, 5))
    found.append(outcome(x.send_file, reading, 0, 5))
    while x.file_taken is None:
        await news_of(x)
    found.append(x.file_taken)
    os.close(reading), os.close(writing)
    x.send(json.dumps(found).encode())
    x.finish()

@app.get("/pid")
async def pid():
    return os.getpid()

@app.get("/open")
async def open_files():
    found = {}
    for who in (os.getpid(), os.getppid()):
        for name in os.listdir(f"/proc/{who}/fd"):
            try:
                target = os.readlink(f"/proc/{who}/fd/{name}")
            except OSError:
                continue
            if "/public/" in target:
                found[f"{who}/{name}"] = target
    return found
"""
SIZES = {"empty": 0, "small": 10_000, "edge": 65_536, "over": 65_537, "large": 5_000_000, "huge": 300_000_000}


@pytest.fixture(params=[True, False], ids=["io_uring", "epoll"], scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("app")
    (folder / "public").mkdir()
    (folder / "secret").write_text("secret")
    for name, size in SIZES.items():
        with open(folder / "public" / name, "wb") as file:
            while size > 0:
                file.write(os.urandom(1 << 20)[:size])
                size -= 1 << 20
    (folder / "main.py").write_text(APP.replace("{uring}", str(request.param)), "utf-8")
    with served("main:app", app_dir=folder, options=["--workers", "2"]) as running:
        running.folder = folder / "public"  # type: ignore[attr-defined]
        yield running


def folder_of(server: Server) -> Path:
    folder: Path = server.folder  # type: ignore[attr-defined]
    return folder


def get(server: Server, path: str, method: str = "GET", **fields: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request(method, path, headers={key.replace("_", "-"): value for key, value in fields.items()})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def eventually(condition: Callable[[], bool], what: str) -> None:
    for _ in range(400):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


def nothing_is_open(server: Server) -> bool:
    return json.loads(get(server, "/open")[2]) == {}


@pytest.mark.parametrize("name", ["empty", "small", "edge", "over", "large"])
@pytest.mark.parametrize("path", ["/file/", "/static/"])
def test_what_is_sent(server: Server, name: str, path: str) -> None:
    content = (folder_of(server) / name).read_bytes()
    status, headers, body = get(server, path + name)
    assert (status, headers["content-length"], body == content) == (200, str(len(content)), True)
    assert headers["accept-ranges"] == "bytes"
    status, headers, body = get(server, path + name, "HEAD")
    assert (status, headers["content-length"], body) == (200, str(len(content)), b"")
    assert get(server, path + name, if_none_match=headers["etag"])[0] == 304
    if content:
        status, headers, body = get(server, path + name, range=f"bytes=1-{len(content) - 2}")
        assert (status, body == content[1:-1]) == (206, True)
        assert headers["content-range"] == f"bytes 1-{len(content) - 2}/{len(content)}"
        status, headers, body = get(server, path + name, range=f"bytes=0-0,{len(content) - 1}-")
        assert status == 206 and headers["content-length"] == str(len(body)) and body.endswith(b"--")
        assert content[-1:] + b"\r\n--" in body
    eventually(lambda: nothing_is_open(server), "the files to be closed")


def test_a_connection_goes_on_after_a_file(server: Server) -> None:
    content = (folder_of(server) / "large").read_bytes()
    with socket.create_connection(("127.0.0.1", server.port), 30) as client:
        reader = client.makefile("rb")
        for _ in range(3):  # pipelined
            client.sendall(b"GET /file/large HTTP/1.1\r\nHost: a\r\n\r\nGET /pid HTTP/1.1\r\nHost: a\r\n\r\n")
        for _ in range(3):
            for expected in (content, None):
                assert reader.readline() == b"HTTP/1.1 200 OK\r\n"
                fields = dict(line.rstrip().lower().split(b": ", 1) for line in iter(reader.readline, b"\r\n"))
                body = reader.read(int(fields[b"content-length"]))
                assert body == expected if expected else body.isdigit()


def test_http_1_0(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 30) as client:
        client.sendall(b"GET /file/large HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(1 << 20), b""))
    assert answer.partition(b"\r\n\r\n")[2] == (folder_of(server) / "large").read_bytes()


def test_what_cannot_be_sent_is_refused(server: Server) -> None:
    early, *wrong, unknown, queued, again, taken = json.loads(get(server, "/misuse")[2])
    assert early == "RuntimeError: the response has not been started"
    assert wrong[:4] == ["ValueError: there is no such part of a file"] * 4
    assert all(each.startswith("TypeError: ") for each in wrong[4:])
    assert (unknown, queued, again) == (None, True, "RuntimeError: a file has been sent")
    assert taken is False  # it is a pipe


def test_many_at_a_time(server: Server) -> None:
    digest = hashlib.sha256((folder_of(server) / "large").read_bytes()).digest()
    with ThreadPoolExecutor(40) as pool:
        answers = pool.map(lambda _: hashlib.sha256(get(server, "/file/large")[2]).digest(), range(120))
        assert all(answer == digest for answer in answers)
    eventually(lambda: nothing_is_open(server), "the files to be closed")


def test_slow_clients_hold_no_memory(server: Server) -> None:
    engine = server.process.pid
    get(server, "/file/huge", range="bytes=0-70000")

    def resident() -> int:
        status = Path(f"/proc/{engine}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))

    before = resident()
    clients = []
    for _ in range(50):
        client = socket.create_connection(("127.0.0.1", server.port), 30)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.sendall(b"GET /file/huge HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        clients.append(client)
    assert resident() - before < 50 * 200, "more than 200 KiB for each client"
    for client in clients:
        client.close()
    eventually(lambda: nothing_is_open(server), "the files to be closed")


def test_a_client_that_does_not_read_is_cut_off(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 30) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.sendall(b"GET /file/huge HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        eventually(lambda: nothing_is_open(server), "the engine to give the client up")


def test_a_file_that_is_replaced_or_removed_is_sent_as_it_was(server: Server) -> None:
    path = folder_of(server) / "changing"
    path.write_bytes(b"old" * 10_000_000)
    with socket.create_connection(("127.0.0.1", server.port), 30) as client:
        client.sendall(b"GET /file/changing HTTP/1.0\r\n\r\n")
        answer = client.recv(1000)
        path.unlink()
        path.write_bytes(b"new")
        answer += b"".join(iter(lambda: client.recv(1 << 20), b""))
    assert answer.partition(b"\r\n\r\n")[2] == b"old" * 10_000_000
    assert get(server, "/file/changing")[2] == b"new"


def test_a_file_that_shrinks_cuts_the_connection(server: Server) -> None:
    path = folder_of(server) / "shrinking"
    path.write_bytes(b"x" * 100_000_000)
    with socket.create_connection(("127.0.0.1", server.port), 30) as client:
        client.sendall(b"GET /file/shrinking HTTP/1.1\r\nHost: a\r\n\r\n")
        got = len(client.recv(1000))
        os.truncate(path, 1_000_000)
        with pytest.raises(ConnectionResetError):
            while data := client.recv(1 << 20):
                got += len(data)
        assert got < 100_000_000
    eventually(lambda: nothing_is_open(server), "the file to be closed")
    assert get(server, "/pid")[0] == 200


def test_the_worker_is_not_needed_once_the_engine_has_the_file(server: Server) -> None:
    worker = json.loads(get(server, "/pid")[2])
    size = SIZES["huge"]
    clients = []
    for _ in range(8):
        client = socket.create_connection(("127.0.0.1", server.port), 60)
        client.sendall(b"GET /file/huge HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        clients.append(client)
    for client in clients:
        assert client.recv(12, socket.MSG_PEEK).startswith(b"HTTP/1.1 200")
    get(server, "/pid")
    os.kill(worker, signal.SIGKILL)
    for client in clients:
        length = 0
        while data := client.recv(1 << 20):
            length += len(data)
        assert length > size
        client.close()
    eventually(lambda: worker not in {json.loads(get(server, "/pid")[2]) for _ in range(5)}, "the worker's end")


@pytest.mark.parametrize(
    "target",
    [
        b"/static/../secret", b"/static/%2e%2e/secret", b"/static/..%2fsecret", b"/static/%2e%2e%2fsecret",
        b"/static//etc/passwd", b"/static/%2fetc/passwd", b"/static/small%00", b"/static/..\\secret",
        b"/static/....//secret", b"/static/%c0%ae%c0%ae/secret", b"/static/./../secret",
        b"/static/small/../../secret", b"/static/%252e%252e/secret",
    ],
)  # fmt: skip
def test_nothing_outside_of_the_folder(server: Server, target: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 30) as client:
        client.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400")) and b"root:" not in answer
