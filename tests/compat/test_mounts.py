"""Mounted applications over ASGI and behind the engine: the same addresses and scopes as under FastAPI."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import served
from websockets.sync.client import connect

from . import mounts
from .frameworks import framework
from .test_details import client_of
from .test_same import BASE, Answer, answers, described

MODULE = f"""
import sys

sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from compat.frameworks import framework
from compat.mounts import build

app = build(framework("covet"), hosts=False)
hosted = build(framework("covet"))
behind = build(framework("covet"), middleware=True, hosts=False)
"""
Requests = list[tuple[str, dict[str, Any]]]


def of_fastapi(requests: Requests, root_path: str = "", **options: bool) -> list[Answer]:
    app = mounts.build(framework("fastapi"), **options)
    return asyncio.run(answers(app, requests, root_path))


def check(requests: Requests, theirs: list[Answer], ours: list[Answer]) -> None:
    different = [
        f"{described(request)}\n   fastapi: {theirs_alone}\n   covet:   {ours_alone}"
        for request, their, our in zip(requests, theirs, ours, strict=True)
        if their != our
        for theirs_alone, ours_alone in [differing(their, our)]
    ]
    assert not different, "\n".join(different)


def differing(their: Answer, our: Answer) -> tuple[Any, Any]:
    """What differs of two answers, if they are of those with facts."""
    try:
        one, other = json.loads(their[2]), json.loads(our[2])
        names = [name for name in one | other if one.get(name) != other.get(name)]
        return [(name, one.get(name)) for name in names], [(name, other.get(name)) for name in names]
    except (AttributeError, TypeError, ValueError):
        return their, our


@pytest.mark.parametrize("root_path", ["", "/api"])
@pytest.mark.parametrize("middleware", [False, True])
@pytest.mark.parametrize("hosts", [False, True])
def test_over_asgi(middleware: bool, hosts: bool, root_path: str) -> None:
    requests = [(root_path + path, options) for path, options in (mounts.HOSTED if hosts else mounts.REQUESTS)]
    theirs = of_fastapi(requests, root_path, middleware=middleware, hosts=hosts)
    ours = asyncio.run(
        answers(mounts.build(framework("covet"), middleware=middleware, hosts=hosts), requests, root_path)
    )
    check(requests, theirs, ours)


@pytest.mark.parametrize("name", ["app", "hosted", "behind"])
@pytest.mark.parametrize("root_path", ["", "/api"])
def test_behind_the_engine(name: str, root_path: str, tmp_path: Path) -> None:
    (tmp_path / "mounted.py").write_text(MODULE)
    requests = mounts.HOSTED if name == "hosted" else mounts.REQUESTS
    theirs = of_fastapi(
        [(root_path + path, options) for path, options in requests],
        root_path,
        middleware=name == "behind",
        hosts=name == "hosted",
    )
    options = ["--root-path", root_path] if root_path else []
    host = {"host": BASE.removeprefix("http://")}
    with served(f"mounted:{name}", app_dir=tmp_path, options=options) as server, httpx.Client() as client:
        found = [client.get(server.url + path, headers=host | dict(more.get("headers", {}))) for path, more in requests]
        sockets = {}
        for path in mounts.SOCKETS:
            with connect(server.url.replace("http", "ws") + path) as socket:
                sockets[path] = socket.recv().replace(f"127.0.0.1:{server.port}", "testserver")
    ours = [(each.status_code, {"content-type": [each.headers["content-type"]]}, each.content) for each in found]
    check(requests, theirs, ours)
    if not root_path:
        client_of_theirs = client_of(
            mounts.build(framework("fastapi"), middleware=name == "behind", hosts=name == "hosted"), "fastapi"
        )
        for path in mounts.SOCKETS:
            with client_of_theirs.websocket_connect(path) as socket:
                assert json.loads(sockets[path]) == socket.receive_json(), path


@pytest.mark.parametrize("middleware", [False, True])
@pytest.mark.parametrize("hosts", [False, True])
@pytest.mark.parametrize("path", [*mounts.SOCKETS, "/hosted"])
def test_websockets(middleware: bool, hosts: bool, path: str) -> None:
    if path == "/hosted" and not hosts:
        return
    told = []
    for package in ("fastapi", "covet"):
        app = mounts.build(framework(package), middleware=middleware, hosts=hosts)
        headers = {"host": "t9.example.com"} if path == "/hosted" else {}
        with client_of(app, package).websocket_connect(path, headers=headers) as socket:
            told.append(socket.receive_json())
    theirs, ours = told
    assert ours == theirs


def test_mounts_tell_their_paths_as_starlettes(tmp_path: Path) -> None:
    def paths(package: str) -> list[Any]:
        f = framework(package)
        app, router = f.FastAPI(openapi_url=None), f.APIRouter()
        app.mount("/static", f.StaticFiles(directory=tmp_path), name="static")
        app.mount("/t/{tenant}/", f.FastAPI())
        router.mount("/below", f.FastAPI())
        app.mount("/router", router)
        app.mount("", f.FastAPI())
        return [(route.path, route.name or "", route.path_format) for route in app.routes]

    assert paths("covet") == paths("fastapi")
    assert ("/static", "static", "/static/{path}") in paths("covet")
