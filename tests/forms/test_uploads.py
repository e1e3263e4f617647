"""Uploads over real sockets: what they take of memory, and what is left of them."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Server, served

APP = """
import os
from covet import CovetPy, HTTPException, Request, UploadFile

app = CovetPy(max_body_size="1GB", enable_io_uring={uring})
seen = []

def memory():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

@app.post("/file")
async def file(file: UploadFile):
    seen.append(file.file)
    return [file.size, await file.read(4) == b"aaaa", os.fstat(file.file.fileno()).st_size, memory()]

@app.post("/fails")
async def fails(file: UploadFile):
    seen.append(file.file)
    raise HTTPException(418)

@app.post("/by-hand")
async def by_hand(request: Request):
    async with request.form() as form:
        seen.append(form["file"].file)
        return form["file"].size

@app.post("/left-open")
async def left_open(request: Request):
    return (await request.form())["file"].size

@app.get("/open")
async def open_files():
    deleted = [name for name in os.listdir("/proc/self/fd") if "deleted" in where(name) and "memfd" not in where(name)]
    return [[each.closed for each in seen], deleted]

def where(name):
    try:
        return os.readlink("/proc/self/fd/" + name)
    except OSError:
        return ""

@app.get("/memory")
async def peak():
    return memory()
"""

HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
UNFINISHED = (
    b"POST /file HTTP/1.1\r\nHost: a\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 9999999\r\n\r\n"
)
END = b"\r\n--b--\r\n"


@pytest.fixture(params=[True, False], ids=["io_uring", "epoll"], scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("app")
    (folder / "main.py").write_text(APP.replace("{uring}", str(request.param)), "utf-8")
    with served("main:app", app_dir=folder) as running:
        yield running


def post(server: Server, path: str, size: int) -> object:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.putrequest("POST", path)
    connection.putheader("content-type", "multipart/form-data; boundary=b")
    connection.putheader("content-length", str(len(HEAD) + size + len(END)))
    connection.endheaders(HEAD)
    piece = b"a" * (1 << 20)
    for at in range(0, size, len(piece)):
        connection.send(piece[: min(len(piece), size - at)])
    connection.send(END)
    return json.loads(connection.getresponse().read())


def ask(server: Server, path: str) -> object:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", path)
    return json.loads(connection.getresponse().read())


def test_a_large_upload_takes_little_memory(server: Server) -> None:
    post(server, "/file", 3 << 20)  # what the first one loads
    before = ask(server, "/memory")
    size = 100 << 20
    answer = post(server, "/file", size)
    assert isinstance(answer, list) and answer[:3] == [size, True, size]
    assert isinstance(before, int) and answer[3] - before < 20 << 10, f"{before} KiB, then {answer[3]} KiB"


def test_files_are_closed_after_the_response(server: Server) -> None:
    assert post(server, "/by-hand", 2 << 20) == 2 << 20
    assert post(server, "/left-open", 2 << 20) == 2 << 20
    assert post(server, "/fails", 2 << 20) == {"detail": "I'm a Teapot"}
    closed, deleted = ask(server, "/open")  # type: ignore[misc]
    assert closed and all(closed) and deleted == []


def test_a_client_that_goes_away_leaves_nothing(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 20) as client:
        client.sendall(UNFINISHED + HEAD + b"x" * (3 << 20))
    for _ in range(200):
        _, deleted = ask(server, "/open")  # type: ignore[misc]
        if not deleted:
            return
    raise AssertionError("a temporary file stays open")
