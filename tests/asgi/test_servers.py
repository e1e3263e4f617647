"""The application under uvicorn and granian, and under covet as an ASGI application like any other."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from serving import served

HERE = Path(__file__).parent
COMMANDS = {
    "uvicorn": ["-m", "uvicorn", "app:app", "--port"],
    "granian": ["-m", "granian", "--interface", "asgi", "app:app", "--port"],
}


@contextmanager
def running(name: str) -> Iterator[str]:
    """A server's address, once it answers."""
    if name == "covet":
        with served("app:app", app_dir=HERE, options=["--interface", "asgi"]) as server:
            yield server.url
        return
    pytest.importorskip(name)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, *COMMANDS[name], str(port)], cwd=HERE)
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: answers(url))
        yield url
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture(scope="module", params=["uvicorn", "granian", "covet"])
def client(request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    with running(request.param) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def test_what_handlers_return(client: httpx.Client) -> None:
    assert client.get("/").json() == {"hello": "wörld"}
    assert client.get("/items/5?q=a+b").json()["q"] == "a b"
    assert client.get("/items/x").status_code == 422
    assert client.get("/kinds/a%2Fb").json() == ["str", "a/b"]
    assert client.get("/constant").headers["x-kind"] == "constant"
    assert client.get("/nothing").status_code == 204
    # A server may close the connection of a request whose application has raised.
    assert client.get("/fail", headers={"connection": "close"}).status_code == 500
    head = client.head("/head")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "8", b"")
    assert client.delete("/items/5").headers["allow"] == "GET, PUT"
    assert client.get("/cookies").headers.get_list("set-cookie")[0].startswith("a=1;")
    redirect = client.get("/slash")
    assert (redirect.status_code, redirect.headers["location"]) == (
        307,
        str(client.base_url.join("/slash/")),
    )
    assert client.get("/nowhere").json() == {"detail": "Not Found"}


def test_the_state_of_the_lifespan(client: httpx.Client) -> None:
    assert client.get("/state").json() == "open"


def test_bodies(client: httpx.Client) -> None:
    assert client.post("/echo", content=b"x" * 100_000).content == b"x" * 100_000
    assert client.post("/echo", content=iter([b"in ", b"pieces"])).content == b"in pieces"
    assert client.post("/json", json={"a": 1}).json() == {"got": {"a": 1}}
    assert client.post("/ignore", content=b"x" * 90_000).json() == {"ignored": True}


@pytest.mark.parametrize("body", [[b"x" * 100_001], [b"x" * 60_000, b"y" * 60_000]])
def test_bodies_that_are_too_large(client: httpx.Client, body: list[bytes]) -> None:
    try:
        answer = client.post("/echo", content=body[0] if len(body) == 1 else iter(body))
    except httpx.TransportError:
        # It closes connections with an unread body at once, and the answer may be lost with them.
        assert client.get("/").headers["server"] == "granian"
        return
    assert (answer.status_code, answer.json()) == (413, {"detail": "Request body too large"})


def test_streams(client: httpx.Client) -> None:
    assert client.get("/stream").text == "one two thrée "
    assert client.get("/threads").content == b"0,1,2,3,4,"
    assert client.get("/measured").headers["content-length"] == "10"
    with client.stream("GET", "/large") as answer:
        assert sum(len(chunk) for chunk in answer.iter_bytes()) == 8 * 16 * 32768


def test_a_stream_that_breaks_is_not_taken_for_whole(client: httpx.Client) -> None:
    with pytest.raises(httpx.TransportError):
        client.get("/broken")


@pytest.mark.parametrize(
    ("path", "event"), [("/forever", "stream closed"), ("/hang", "cancelled"), ("/until-gone", "gone")]
)
def test_a_client_that_goes_away(client: httpx.Client, path: str, event: str) -> None:
    before = client.get("/events").json().count(event)
    with (
        pytest.raises(httpx.TimeoutException),
        httpx.stream("GET", str(client.base_url.join(path)), timeout=0.5) as answer,
    ):
        for _ in answer.iter_bytes():
            raise httpx.ReadTimeout("seen enough")
    until(lambda: client.get("/events").json().count(event) > before)


def test_a_failed_start(tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text(
        "from covet import CovetPy\napp = CovetPy()\n@app.on_startup\ndef start():\n    raise OSError('no database')\n"
    )
    pytest.importorskip("uvicorn")
    command = [sys.executable, "-m", "uvicorn", "failing:app", "--port", "0"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0
    assert "OSError: no database" in ended.stderr
    ended = subprocess.run(
        [sys.executable, "-m", "covet", "run", "failing:app", "--interface", "asgi", "--port", "0"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 3
    assert re.search("no database", ended.stderr + ended.stdout)
