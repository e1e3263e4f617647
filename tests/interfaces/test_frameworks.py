"""Applications of the common frameworks, served by `covet run`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from serving import Server, served
from websockets.sync.client import connect

APPS = Path(__file__).parent / "apps"
LARGE = bytes(range(256)) * 20_000
UPGRADE = {
    "connection": "upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def client_of(name: str, *imports: str, options: Sequence[str] = ()) -> Iterator[tuple[httpx.Client, Server]]:
    """A client of an application, if what it imports is installed."""
    for module in imports:
        pytest.importorskip(module)
    with served(name, app_dir=APPS, options=options) as server, httpx.Client(base_url=server.url, timeout=30) as client:
        yield client, server


@pytest.fixture(scope="module")
def fastapi() -> Iterator[tuple[httpx.Client, Server]]:
    running = client_of("fastapi_app:app", "fastapi", "python_multipart")
    yield from running


@pytest.fixture(scope="module")
def starlette() -> Iterator[tuple[httpx.Client, Server]]:
    yield from client_of("starlette_app:app", "starlette")


@pytest.fixture(scope="module", params=["asgi", "wsgi"])
def django(request: pytest.FixtureRequest) -> Iterator[tuple[httpx.Client, Server]]:
    yield from client_of(f"django_app:{request.param}", "django")


@pytest.fixture(scope="module")
def flask() -> Iterator[tuple[httpx.Client, Server]]:
    yield from client_of("flask_app:app", "flask")


@pytest.fixture(scope="module")
def litestar() -> Iterator[tuple[httpx.Client, Server]]:
    yield from client_of("litestar_app:app", "litestar")


def test_fastapi(fastapi: tuple[httpx.Client, Server]) -> None:
    client, server = fastapi
    assert client.get("/items/5?q=x").json() == {"item_id": 5, "q": "x", "database": "open"}
    assert client.get("/items/five").status_code == 422
    assert client.get("/blocking?a=1").json() == {"url": f"{server.url}/blocking?a=1", "client": "127.0.0.1"}
    assert client.post("/echo", json={"name": "a"}).json() == {"name": "a", "price": 1.0}
    uploaded = client.post("/upload", files={"file": ("f.bin", LARGE)})
    assert uploaded.json() == {"name": "f.bin", "size": len(LARGE)}
    assert client.get("/stream").text == "0\n1\n2\n"
    assert client.get("/task").json() == {"before": []}
    deadline = time.monotonic() + 20  # the task runs once the answer has been sent
    while client.get("/finished").json() != ["task"]:
        assert time.monotonic() < deadline
    assert client.get("/openapi.json").json()["info"]["title"] == "FastAPI"
    assert client.get("/missing").json() == {"detail": "Not Found"}
    assert client.delete("/echo").status_code == 405


def test_fastapi_errors(fastapi: tuple[httpx.Client, Server]) -> None:
    client, server = fastapi
    answer = client.get("/error")
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert "Exception in ASGI application, answering GET /error" in server.log
    assert "LookupError: nowhere" in server.log


def test_fastapi_lifespan_ends() -> None:
    running = client_of("fastapi_app:app", "fastapi", "python_multipart")
    _, server = next(running)
    assert next(running, None) is None
    assert "database closed" in server.log
    assert "Application shutdown complete." in server.log


@pytest.mark.parametrize("framework", ["fastapi", "starlette"])
def test_websocket_routes(framework: str, request: pytest.FixtureRequest) -> None:
    client, server = request.getfixturevalue(framework)
    with connect(f"ws://127.0.0.1:{server.port}/ws") as websocket:
        websocket.send("hello")
        assert websocket.recv() == "hello"
    assert client.get("/ws").status_code == 404
    assert client.get("/no-such", headers=UPGRADE).status_code == 403


def test_starlette(starlette: tuple[httpx.Client, Server]) -> None:
    client, _ = starlette
    answer = client.get("/mounted/where")
    assert answer.json() == {"path": "/mounted/where", "root": "/mounted"}
    assert answer.headers["x-marked"] == "yes"
    text = (APPS / "starlette_app.py").read_text("utf-8")
    for path in ("/static/starlette_app.py", "/source"):
        answer = client.get(path)
        assert answer.text == text
        assert answer.headers["content-length"] == str(len(text.encode()))
        assert client.get(path, headers={"if-none-match": answer.headers["etag"]}).status_code in (200, 304)
        assert client.get(path, headers={"range": "bytes=0-2"}).text == text[:3]
        assert client.head(path).headers["content-length"] == answer.headers["content-length"]
    assert client.post("/upload", content=LARGE).text == str(len(LARGE))
    assert client.post("/upload", content=iter([b"a", b"bc"])).text == "3"
    assert len(client.get("/download").content) == 30_000_000


def test_starlette_streams_end_with_their_client(starlette: tuple[httpx.Client, Server]) -> None:
    client, _ = starlette
    with client.stream("GET", "/endless") as answer:
        assert next(answer.iter_text()).startswith("data: tick")
    assert client.get("/ended").text == "yes"


def test_django(django: tuple[httpx.Client, Server]) -> None:
    client, server = django
    answer = client.get("/where/name?q=%C3%A9")
    host = server.url.removeprefix("http://")
    assert answer.json() == {"method": "GET", "path": "/where/name", "q": "é", "host": host}
    head = client.head("/where/name?q=%C3%A9")
    assert (head.content, int(head.headers["content-length"])) == (b"", len(answer.content) + 1)
    assert client.post("/upload", content=LARGE).json() == {"size": len(LARGE)}
    form = client.post("/form", data={"name": "n"}, files={"file": ("f.bin", LARGE)})
    assert form.json() == {"name": "n", "size": len(LARGE)}
    assert client.get("/stream").text == "0\n1\n2\n"
    assert client.get("/error").status_code == 500
    assert client.get("/missing").status_code == 404


def test_flask(flask: tuple[httpx.Client, Server]) -> None:
    client, server = flask
    url = f"{server.url}/hello/wörld?q=1"
    assert client.get("/hello/wörld?q=1").json() == {"name": "wörld", "q": "1", "url": url}
    assert client.post("/upload", content=LARGE).json() == {"size": len(LARGE)}
    assert client.post("/upload", content=iter([b"a", b"bc"])).json() == {"size": 3}
    form = client.post("/form", data={"name": "n"}, files={"file": ("f.bin", LARGE)})
    assert form.json() == {"name": "n", "size": len(LARGE)}
    assert client.get("/stream").text == "".join(f"{n} /stream\n" for n in range(3))
    assert client.get("/source").text == (APPS / "flask_app.py").read_text("utf-8")
    assert client.get("/error").status_code == 500
    assert client.get("/missing").status_code == 404
    of_server = client.get("/server").json()
    assert (of_server["multiprocess"], of_server["multithread"]) == (False, True)
    assert {"/stream", "/source", "/error", "/missing"} <= set(client.get("/ended").json())


def test_litestar(litestar: tuple[httpx.Client, Server]) -> None:
    client, _ = litestar
    assert client.get("/hello/you?q=3").json() == {"name": "you", "q": 3, "opened": True}
    assert client.get("/hello/you?q=x").status_code == 400
    assert client.post("/upload", content=LARGE).json() == {"size": len(LARGE)}
    assert client.get("/stream").text == "0\n1\n2\n"
    assert client.get("/error").status_code == 500
    assert client.get("/missing").status_code == 404


@pytest.mark.parametrize("name", ["fastapi_app:app", "flask_app:app"])
def test_several_workers(name: str) -> None:
    running = client_of(name, "fastapi", "flask", "python_multipart", options=("--workers", "2"))
    client, server = next(running)
    if name == "flask_app:app":
        of_server = client.get("/server").json()
        process = of_server["process"]
        assert (of_server["multiprocess"], of_server["multithread"]) == (True, True)
        assert client.get("/hello/you").json()["name"] == "you"
        assert client.post("/upload", content=LARGE).json() == {"size": len(LARGE)}
    else:
        process = client.get("/process").json()
        assert client.get("/items/5").json() == {"item_id": 5, "q": None, "database": "open"}
        assert client.post("/upload", files={"file": ("f.bin", LARGE)}).json()["size"] == len(LARGE)
    assert process != server.process.pid
    assert next(running, None) is None
    assert server.log.count("Application startup complete.") == 2
    assert server.log.count("Application shutdown complete.") == 2
