"""WebSockets when workers and the server end, and when clients are silent or send too much."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from serving import served
from websockets.exceptions import ConnectionClosed
from workers.harness import eventually, supervised

from sockets.conftest import HERE, LOOPS
from sockets.raw import Raw
from sockets.test_engine import WAIT, closed, get, open_at, refused

LOOP = pytest.mark.parametrize("loop", list(LOOPS))


@LOOP
def test_a_worker_that_is_killed(loop: str) -> None:
    with supervised(app_dir=str(HERE), workers=1, enable_io_uring=loop == "io_uring") as server:
        with open_at(server, "/echo") as first, open_at(server, "/echo") as second:
            os.kill(get(server, "/pid")["pid"], signal.SIGKILL)
            assert closed(first) == closed(second) == (1012, "")
        with open_at(server, "/echo") as websocket:
            websocket.send("again")
            assert websocket.recv(WAIT) == "again"


@LOOP
def test_a_rolling_restart(loop: str) -> None:
    with supervised(app_dir=str(HERE), workers=2, enable_io_uring=loop == "io_uring") as server:
        websockets = [open_at(server, "/echo") for _ in range(6)]
        try:
            server.process.send_signal(signal.SIGHUP)
            for websocket in websockets:
                assert closed(websocket) == (1012, "")
        finally:
            for websocket in websockets:
                websocket.close()
        with open_at(server, "/echo") as websocket:
            websocket.send("new")
            assert websocket.recv(WAIT) == "new"


@LOOP
def test_a_handler_is_told_of_the_restart(loop: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "from pathlib import Path\n"
        "from covet import CovetPy, WebSocket, WebSocketDisconnect\n"
        "app = CovetPy()\n"
        "@app.websocket('/')\n"
        "async def wait(websocket: WebSocket):\n"
        "    await websocket.accept()\n"
        "    await websocket.send_text('open')\n"
        "    try:\n"
        "        await websocket.receive_text()\n"
        "    except WebSocketDisconnect as error:\n"
        f"        Path({str(tmp_path / 'told')!r}).write_text(str(error.code))\n"
    )
    serving = supervised(app_dir=str(tmp_path), workers=1, enable_io_uring=loop == "io_uring")
    with serving as server, open_at(server, "/") as websocket:
        assert websocket.recv(WAIT) == "open"
        server.process.send_signal(signal.SIGHUP)
        assert closed(websocket)[0] == 1012
        assert eventually(lambda: (tmp_path / "told").read_text()) == "1012"


@LOOP
def test_the_server_stops_at_once(loop: str) -> None:
    with served("app:app", app_dir=HERE, options=LOOPS[loop]) as server:
        websocket = open_at(server, "/echo")
        waiting = open_at(server, "/json")
        assert server.stop() == 0
        assert closed(websocket)[0] == closed(waiting)[0] == 1012
        assert "Cancelled" not in server.log


@LOOP
def test_silent_clients_are_pinged_and_given_up(loop: str) -> None:
    options = [*LOOPS[loop], "--ws-ping-interval", "300ms", "--ws-ping-timeout", "300ms"]
    with (
        served("app:app", app_dir=HERE, options=options) as server,
        Raw(server.port, "/echo?name=dead") as dead,
        open_at(server, "/echo") as alive,
    ):
        assert dead.frame()[:2] == (True, 9)
        fin, opcode, payload = dead.frame()
        assert (fin, opcode, payload) == (True, 8, b"\x03\xf3keepalive ping timeout")
        assert get(server, "/ended/dead") == {"code": 1011, "reason": "keepalive ping timeout"}
        alive.send("x")
        assert alive.recv(WAIT) == "x"


def test_a_slow_handler_is_no_silent_client() -> None:
    """Its messages, and so its pongs, are not read meanwhile."""
    options = ["--ws-ping-interval", "200ms", "--ws-ping-timeout", "200ms"]
    with served("app:app", app_dir=HERE, options=options) as server:
        with open_at(server, "/slow", compression=None) as websocket:
            websocket.socket.settimeout(None)
            for _ in range(12):
                websocket.send(bytes(60_000))
            time.sleep(1.5)
            websocket.send(bytes(60_000))
            get(server, "/sent")
            subprocess.run(["curl", "-s", server.url + "/go"], check=True, capture_output=True)
        assert get(server, "/ended/slow") == {"size": 780_000, "count": 13}


@pytest.mark.parametrize("loop", list(LOOPS))
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_messages_that_are_too_large(loop: str, compression: str | None) -> None:
    with served("app:app", app_dir=HERE, options=[*LOOPS[loop], "--ws-max-size", "100KB"]) as server:
        with open_at(server, "/echo", compression=compression) as websocket:
            websocket.send(b"x" * 102_400)
            assert len(websocket.recv(WAIT)) == 102_400
            websocket.send(b"x" * 102_401)
            assert closed(websocket)[0] == 1009
        with open_at(server, "/echo?name=large", compression=compression) as websocket:
            with suppress(ConnectionClosed):  # the server need not wait for the end of it
                websocket.send([b"x" * 60_000, b"y" * 60_000])
            assert closed(websocket)[0] == 1009
        assert get(server, "/ended/large")["code"] == 1009


def test_origins() -> None:
    options = ["--ws-origin", "https://example.com", "--ws-origin", "http://other.test:81"]
    with served("app:app", app_dir=HERE, options=options) as server:
        for origin in ("https://example.com", "HTTPS://EXAMPLE.COM", "http://other.test:81", None):
            with open_at(server, "/echo", origin=origin):
                pass
        for origin in ("http://example.com", "https://example.com.evil.test", "null", "https://sub.example.com"):
            response = refused(server, "/echo", origin=origin)
            assert (response.status_code, response.body) == (403, b'{"detail":"The origin is not allowed"}')


def test_compression_can_be_switched_off() -> None:
    with (
        served("app:app", app_dir=HERE, options=["--ws-per-message-deflate", "false"]) as server,
        open_at(server, "/echo") as websocket,
    ):
        assert websocket.response is not None
        assert "sec-websocket-extensions" not in websocket.response.headers
        websocket.send("x" * 1000)
        assert websocket.recv(WAIT) == "x" * 1000


def test_websockets_take_no_place_of_requests() -> None:
    with served("app:app", app_dir=HERE, options=["--max-exchanges", "2"]) as server:
        websockets = [Raw(server.port, "/echo") for _ in range(30)]
        assert get(server, "/pid")
        for websocket in websockets:
            websocket.send(1, b"here")
            assert websocket.frame() == (True, 1, b"here")
            websocket.close()


@LOOP
def test_sockets_opened_one_after_another_are_spread(loop: str) -> None:
    with supervised(app_dir=str(HERE), workers=2, enable_io_uring=loop == "io_uring") as server:
        opened = [open_at(server, "/room/any") for _ in range(20)]
        pids = [websocket.recv(WAIT) for websocket in opened]
        counts = [pids.count(pid) for pid in set(pids)]
        assert len(counts) == 2 and min(counts) >= 9  # a worker that is awake may take one that another was to have
        for websocket in opened[::2]:
            websocket.close()


# ---- topics -------------------------------------------------------------------------


@LOOP
def test_topics_over_all_workers(loop: str) -> None:
    with supervised(app_dir=str(HERE), workers=2, loop_count=2, enable_io_uring=loop == "io_uring") as server:
        with ThreadPoolExecutor(8) as pool:  # at once, so that both workers get some
            opened = pool.map(
                lambda n: open_at(server, "/room/red", compression=None if n % 2 else "deflate"), range(8)
            )
            red = list(opened)
        blue = open_at(server, "/room/blue")
        pids = {websocket.recv(WAIT) for websocket in [*red, blue]}
        assert pids
        for number in range(50):
            red[number % 8].send(f"message {number} " + "x" * number)
            for websocket in red:
                assert websocket.recv(WAIT) == f"message {number} " + "x" * number
        get(server, "/publish/red", "POST")
        get(server, "/thread/red", "POST")
        get(server, "/publish/red?size=300000", "POST")
        get(server, "/publish/red?size=500000&binary=true", "POST")
        for websocket in red:
            assert {websocket.recv(WAIT), websocket.recv(WAIT)} == {'{"to":"red"}', "from a thread"}
            assert websocket.recv(WAIT) == "x" * 300_000
            assert websocket.recv(WAIT) == bytes(500_000)
        red[0].send("leave")
        assert red[0].recv(WAIT) == "left"
        get(server, "/publish/red", "POST")
        get(server, "/publish/blue", "POST")
        assert red[1].recv(WAIT) == '{"to":"red"}'
        assert blue.recv(WAIT) == '{"to":"blue"}'
        with pytest.raises(TimeoutError):
            red[0].recv(0.3)
        red.pop(2).close()
        get(server, "/publish/red", "POST")
        for websocket in red[2:]:
            while websocket.recv(WAIT) != '{"to":"red"}':
                pass
        for websocket in [*red, blue]:
            websocket.close()


def test_what_is_published_waits_for_the_end_of_a_message() -> None:
    with served("app:app", app_dir=HERE) as server, open_at(server, "/room/a", compression=None) as websocket:
        websocket.recv(WAIT)
        for _ in range(20):
            websocket.send("hang")
        got = []
        while len(got) < 20 + 10:
            if len(got) % 2 == 0 and len([m for m in got if m[0] == "{"]) < 10:
                get(server, "/publish/a", "POST")
            got.append(websocket.recv(WAIT))
        assert {message if message[0] == "{" else len(message) for message in got} == {'{"to":"a"}', 400_000}


def test_a_subscriber_that_does_not_read_is_closed() -> None:
    with (
        served("app:app", app_dir=HERE) as server,
        Raw(server.port, "/room/a") as slow,
        open_at(server, "/room/a", compression=None) as quick,
    ):
        slow.frame()
        quick.recv(WAIT)
        for _ in range(40):
            get(server, "/publish/a?size=400000&binary=true", "POST")
            assert len(quick.recv(WAIT)) == 400_000
        frames = list(slow.frames())
        assert frames[-1] == (True, 8, b"\x03\xf5too slow for what is published")
        assert len(frames) < 41
        get(server, "/publish/a", "POST")
        assert quick.recv(WAIT) == '{"to":"a"}'


# ---- memory ----------------------------------------------------------------------------


def memory_of(pid: int) -> int:
    """The process's own and shared memory, in bytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024


def test_idle_connections_cost_little() -> None:
    with served("app:app", app_dir=HERE) as server:
        warm = [Raw(server.port, "/echo") for _ in range(200)]
        for connection in warm:
            connection.close()
        time.sleep(0.5)
        before = memory_of(server.process.pid)
        connections = [Raw(server.port, "/echo") for _ in range(1000)]
        for connection in connections:
            connection.send(1, b"x" * 1000)
            assert connection.frame()[2] == b"x" * 1000
        time.sleep(1.0)
        each = (memory_of(server.process.pid) - before) / 1000
        print(f"{each:.0f} bytes for each idle WebSocket")
        assert each < 24_000
        for connection in connections:
            connection.close()


# ---- what stands around them --------------------------------------------------------------

AROUND = """
from covet import CovetPy, WebSocket
from covet.middleware.cors import CORSMiddleware
app = CovetPy()
app.add_middleware(CORSMiddleware, allow_origins=["*"])
{middleware}

@app.websocket("/ws")
async def echo(websocket: WebSocket):
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text + websocket.scope.get("mark", ""))


@app.get("/")
async def root():
    return {{"a": 1}}
"""
LAYER = """
@app.middleware("http")
async def layer(request, call_next):
    response = await call_next(request)
    response.headers["x-layer"] = "yes"
    return response
"""
PURE = """
class Pure:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        scope["mark"] = "!"
        await self.app(scope, receive, send)

app.add_middleware(Pure)
"""


@pytest.mark.parametrize(("middleware", "mark"), [("", ""), (LAYER, ""), (PURE, "!"), (LAYER + PURE, "!")])
def test_middleware(middleware: str, mark: str, tmp_path: Path) -> None:
    (tmp_path / "around.py").write_text(AROUND.format(middleware=middleware))
    with served("around:app", app_dir=tmp_path) as server:
        with open_at(server, "/ws") as websocket:
            websocket.send("hello")
            assert websocket.recv(WAIT) == "hello" + mark
        assert get(server, "/") == {"a": 1}
        assert refused(server, "/no-such").status_code in (403, 404)


DYING = """
import os, signal
from pathlib import Path
from covet import CovetPy, WebSocket

app = CovetPy()
tried = Path(__file__).with_name("tried")


@app.websocket("/")
async def echo(websocket: WebSocket):
    if not tried.exists():
        tried.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)
"""


def test_a_worker_that_dies_before_it_accepts(tmp_path: Path) -> None:
    """Another one gets the opening request."""
    (tmp_path / "dying.py").write_text(DYING)
    with supervised("dying:app", app_dir=str(tmp_path), workers=2) as server:
        for _ in range(2):
            with open_at(server, "/") as websocket:
                websocket.send("hello")
                assert websocket.recv(WAIT) == "hello"
