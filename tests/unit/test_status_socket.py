"""The control socket, from both sides, and the table."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import stat
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from covet import status_socket as status_module
from covet.status_socket import (
    MOST_ANSWER_BYTES,
    StatusError,
    StatusServer,
    default_socket,
    describe,
    fetch_status,
    find_sockets,
    format_table,
    only_socket,
    socket_of,
)

WORKER = {
    "place": 0,
    "pid": 4242,
    "state": "admitted",
    "table": 1,
    "waiting": 2,
    "begun": 1000,
    "finished": 997,
    "sleeping": False,
    "blocked": 0,
}
ENGINE = {
    "state": "running",
    "uptime": 3725.5,
    "connections": 12,
    "accepted": 99,
    "requests": 1234567,
    "in_flight": 5,
    "refused": 0,
    "backend": "io_uring",
    "queued": 2,
    "workers": [WORKER],
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="covet-test-") as name:
        yield Path(name)


@pytest.fixture
def places(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sockets by default are in a folder of this test."""
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    return folder


@contextlib.asynccontextmanager
async def offered(path: Path, get_status: Callable[[], Mapping[str, Any]] = lambda: ENGINE) -> AsyncIterator[None]:
    server = StatusServer(path, get_status)
    await server.start()
    try:
        yield
    finally:
        await server.close()


async def fetched(path: Path) -> dict[str, Any]:
    return await asyncio.to_thread(fetch_status, path)


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 30))


def test_the_document_goes_through(folder: Path) -> None:
    path = folder / "a.sock"

    async def main() -> None:
        async with offered(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert await fetched(path) == ENGINE
            assert await asyncio.gather(*(fetched(path) for _ in range(20))) == [ENGINE] * 20
        assert not path.exists()

    run(main())


def test_an_open_mask_does_not_open_the_socket(folder: Path) -> None:
    before = os.umask(0)
    try:
        test_the_document_goes_through(folder)
    finally:
        os.umask(before)


def test_a_stale_socket_is_replaced(folder: Path) -> None:
    path = folder / "a.sock"
    with socket.socket(socket.AF_UNIX) as ended:
        ended.bind(str(path))

    async def main() -> None:
        with pytest.raises(StatusError, match="the one that made it has ended"):
            await fetched(path)
        async with offered(path):
            assert await fetched(path) == ENGINE

    run(main())


def test_a_socket_where_somebody_listens_is_left(folder: Path) -> None:
    path = folder / "a.sock"

    async def main() -> None:
        async with offered(path):
            with pytest.raises(StatusError, match="another server listens there"):
                await StatusServer(path, dict).start()
            assert await fetched(path) == ENGINE
            with socket.socket(socket.AF_UNIX) as busy:
                busy.bind(str(folder / "busy"))
                busy.listen(0)
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(str(folder / "busy"))
                    with pytest.raises(StatusError, match="another server listens there"):
                        await StatusServer(folder / "busy", dict).start()

    run(main())


def test_where_no_socket_can_be(folder: Path) -> None:
    (folder / "file").write_text("mine")

    async def main() -> None:
        for path, reason in [
            (folder / "file", "there is a file that is no socket"),
            (folder / "none" / "a.sock", "No such file or directory"),
            (folder / ("a" * 200), "its path is too long"),
        ]:
            with pytest.raises(StatusError, match=reason):
                await StatusServer(path, dict).start()

    run(main())
    assert (folder / "file").read_text() == "mine"


def test_a_successors_socket_is_not_removed(folder: Path) -> None:
    path = folder / "a.sock"

    async def main() -> None:
        server = StatusServer(path, lambda: ENGINE)
        await server.start()
        path.unlink()
        async with offered(path, lambda: {"workers": []}):
            await server.close()
            await server.close()
            assert await fetched(path) == {"workers": []}

    run(main())


async def conversation(path: Path, request: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(request)
    with contextlib.suppress(ConnectionError):
        writer.write_eof()
        return await reader.read()
    return b""


def test_requests_that_are_none(folder: Path) -> None:
    path = folder / "a.sock"

    async def main() -> None:
        async with offered(path):
            assert "error" in json.loads(await conversation(path, b"stop\n"))
            assert "error" in json.loads(await conversation(path, b""))
            assert await conversation(path, b"x" * 1_000_000) == b""
            assert await fetched(path) == ENGINE

    run(main())


def test_a_client_that_says_nothing_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_module, "CLIENT_SECONDS", 0.1)
    path = folder / "a.sock"

    async def main() -> None:
        async with offered(path):
            reader, writer = await asyncio.open_unix_connection(path)
            assert await reader.read() == b""
            writer.close()
            _, waiting = await asyncio.open_unix_connection(path)
        waiting.close()

    run(main())


def test_a_status_that_fails(folder: Path) -> None:
    path = folder / "a.sock"

    async def main() -> None:
        async with offered(path, lambda: {"pid": 1 // 0}):
            with pytest.raises(StatusError, match="cannot tell its status: integer division"):
                await fetched(path)

    run(main())


def test_nobody_there(folder: Path) -> None:
    with pytest.raises(StatusError, match="no such socket"):
        fetch_status(folder / "none.sock")
    with pytest.raises(StatusError, match="too long"):
        fetch_status(folder / ("a" * 200))


@contextlib.contextmanager
def answering(path: Path, answer: bytes) -> Iterator[None]:
    """A socket where something else than covet listens; without an answer it keeps the client waiting."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                if answer:
                    connection.sendall(answer)
                else:
                    connection.recv(1000)
                    connection.recv(1000)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join(30)
        assert not thread.is_alive()


@pytest.mark.parametrize("answer", [b"220 smtp\r\n", b"[1, 2]", b"\xff", b" " * (MOST_ANSWER_BYTES + 1)])
def test_something_else_listens(folder: Path, answer: bytes) -> None:
    path = folder / "other"
    with answering(path, answer), pytest.raises(StatusError, match="no control socket of covet"):
        fetch_status(path)


def test_closed_without_an_answer(folder: Path) -> None:
    path = folder / "other"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def refuse() -> None:
            listener.accept()[0].close()

        thread = threading.Thread(target=refuse)
        thread.start()
        with pytest.raises(StatusError, match="closed the connection without an answer"):
            fetch_status(path)
        thread.join(30)


def test_no_answer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_module, "CLIENT_SECONDS", 0.2)
    path = folder / "other"
    with answering(path, b""), pytest.raises(StatusError, match=r"did not answer within 0\.2 s"):
        fetch_status(path)


def test_default_sockets(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_socket(17) == places / f"covet-{os.getuid()}-17.sock"
    runtime = places / "run"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    assert default_socket(17) == runtime / "covet-17.sock"
    for unusable in ["run", str(places / "none"), ""]:
        monkeypatch.setenv("XDG_RUNTIME_DIR", unusable)
        assert default_socket(17).parent == places


def test_a_folder_of_another_user_is_not_used(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(places))
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert default_socket(1) == places / "covet-12345-1.sock"


def test_by_pid_file(places: Path) -> None:
    file = places / "pid"
    with pytest.raises(StatusError, match="No such file"):
        socket_of(file)
    for text in ["", "covet\n", "-1\n", "é"]:
        file.write_text(text)
        with pytest.raises(StatusError, match="does not hold the number"):
            socket_of(file)
    file.write_text("123\n")
    assert socket_of(file) == default_socket(123)


def test_running_servers_are_found(places: Path) -> None:
    async def main() -> None:
        with pytest.raises(StatusError, match="no running server was found"):
            only_socket()
        with socket.socket(socket.AF_UNIX) as ended:
            ended.bind(str(default_socket(5)))
        default_socket(6).write_text("no socket")
        assert find_sockets() == []
        async with offered(default_socket(7)):
            assert only_socket() == default_socket(7)
            async with offered(default_socket(3)):
                assert find_sockets() == [default_socket(7), default_socket(3)]
                with pytest.raises(StatusError, match="several servers run"):
                    only_socket()

    run(main())


def test_describe() -> None:
    own = WORKER | {"pid": os.getpid(), "place": 3}
    told = describe(ENGINE | {"workers": [own, WORKER | {"pid": 2**22 + 1, "finished": 1001}]}, address="http://a")
    assert told["pid"] == os.getpid()
    assert told["address"] == "http://a"
    assert told["requests"] == 1234567
    assert told["rss"] > 2**20
    first, second = told["workers"]
    assert (first["worker"], first["place"], first["in_flight"]) == (4, 3, 3)
    assert first["rss"] > 2**20
    assert first["cpu"] > 0
    assert (second["in_flight"], second["rss"], second["cpu"]) == (0, None, None)
    json.dumps(told)


TABLE = """\
covet 1.2.3, process 4000, running for 1 h 2 min, io_uring, memory 30.0 MiB, CPU 2.2 s
http://127.0.0.1:8000

connections 12   accepted 99   requests 1,234,567   in flight 5   queued 2   refused 0

worker   pid  state     waiting  begun  finished  in flight    memory     CPU  blocked
     1  4242  admitted        2  1,000       997          3  40.5 MiB  12.3 s        -
    12  4243  retired         0      7         7          0         -       -    2.1 s"""


def test_the_table() -> None:
    first = WORKER | {"worker": 1, "in_flight": 3, "rss": 42467328, "cpu": 12.34}
    second = {"worker": 12, "pid": 4243, "state": "retired", "waiting": 0, "begun": 7, "finished": 7, "in_flight": 0}
    server = {"pid": 4000, "version": "1.2.3", "rss": 30 * 2**20, "cpu": 2.25, "address": "http://127.0.0.1:8000"}
    assert format_table(ENGINE | server | {"workers": [first, second | {"rss": None, "blocked": 2.13}]}) == TABLE


def test_the_table_of_little() -> None:
    text = format_table({"failure": "out of memory"})
    assert "the engine has failed: out of memory" in text
    assert text.splitlines()[-1].split()[:3] == ["worker", "pid", "state"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.9, "59 s"), (60, "1 min 0 s"), (86400 * 3 + 7200, "3 d 2 h"), (None, "-")]
)
def test_durations(seconds: float | None, text: str) -> None:
    assert f"running for {text}," in format_table({"state": "running", "uptime": seconds})
