"""Builds of frontend tools: FastAPI, the engine and the ASGI callable give the same answers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient as TheirClient
from serving import Server, served

from covet import APIRouter, CovetPy, Request
from covet.middleware import Middleware
from covet.middleware.base import BaseHTTPMiddleware
from covet.middleware.prometheus import PrometheusMiddleware
from covet.testclient import TestClient

APP = """
from {package} import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException, Query, Response

app = FastAPI(openapi_url=None)
done = []

if {middleware}:
    @app.middleware("http")
    async def mark(request, call_next):
        response = await call_next(request)
        response.headers["x-mark"] = "marked"
        return response

@app.get("/api/items")
async def items():
    return ["item"]

@app.get("/api/slash/")
async def slash():
    return "slash"

@app.post("/api/only-post/{{rest:path}}")
async def only_post(rest: str):
    return rest

@app.get("/done")
async def what_was_done():
    return done

def guard(response: Response, background: BackgroundTasks, token: str = ""):
    if token != "t":
        raise HTTPException(401, "no")
    response.headers["x-guard"] = "passed"
    response.set_cookie("seen", "yes")
    background.add_task(done.append, "guarded")

def number(n: int = Query(0)):
    pass

site, admin = APIRouter(), APIRouter(prefix="/admin", dependencies=[Depends(number)])
site.frontend("/", directory="{folder}/site")
admin.frontend("/", directory="{folder}/admin", fallback="index.html")
admin.frontend("/plain/", directory="{folder}/admin", fallback=None)
app.include_router(site)
app.include_router(admin, dependencies=[Depends(guard)])

@admin.get("/late")
async def late():
    return "late"

@app.get("/{{rest:path}}.json")
async def data(rest: str):
    return rest
"""
PATHS = [
    *("/", "/app.js", "/sub", "/sub/", "/empty", "/empty/", "/none", "/none/", "/sub/none", "/index.html", "/a.json"),
    *("/api/items", "/api/items/", "/api/slash", "/api/slash/", "/api/only-post/x", "/api", "/%2e%2e/secret"),
    *("/admin", "/admin/", "/admin/late", "/admin/late/", "/admin/none", "/admin/page.txt", "/administration"),
    *("/admin?token=t", "/admin/?token=t", "/admin/none?token=t", "/admin/page.txt?token=t", "/admin/?token=t&n=x"),
    *("/admin/plain/?token=t", "/admin/plain/none?token=t", "/admin/plain/page.txt?token=t", "/admin/plain?token=t"),
]
METHODS = ("GET", "HEAD", "POST", "OPTIONS", "DELETE")
PAGE, ANYTHING = {"accept": "text/html;q=0.9, */*"}, {"accept": "*/*"}


@pytest.fixture(scope="module", params=[False, True], ids=["bare", "middleware"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("app")
    for name, text in {
        "secret": "secret",
        "site/index.html": "site",
        "site/app.js": "script",
        "site/sub/index.html": "sub",
        "site/empty/file": "file",
        "site/admin/none": "hidden by the frontend with the longer path",
        "admin/index.html": "admin",
        "admin/page.txt": "page",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for package in ("fastapi", "covet"):
        source = APP.format(package=package, folder=folder, middleware=request.param)
        (folder / f"{package}_app.py").write_text(source)
    return folder


def app_of(folder: Path, package: str) -> Any:
    module: dict[str, Any] = {"__name__": f"{package}_app"}
    exec(compile((folder / f"{package}_app.py").read_text(), f"{package}_app.py", "exec"), module)
    return module["app"]


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with served("covet_app:app", app_dir=folder) as server:
        yield server


def answers(client: Any) -> dict[str, Any]:
    """What each request gets; the Allow field of a 405 apart, which FastAPI may leave out."""
    found = {}
    for path in PATHS:
        for method in METHODS:
            for accept in (PAGE, ANYTHING):
                headers = {**accept, "host": "test"}
                response = client.request(method, path, headers=headers, follow_redirects=False)
                fields = {name: response.headers.get(name) for name in ("location", "x-guard", "set-cookie", "x-mark")}
                found[f"{method} {path} {accept}"] = response.status_code, response.text, fields
    found["done"] = client.get("/done").json()
    return found


def test_all_give_the_same_answers(folder: Path, server: Server) -> None:
    theirs = answers(TheirClient(app_of(folder, "fastapi"), base_url="http://test"))
    assert theirs["GET /api/only-post/x " + str(PAGE)][0] == 405
    assert theirs["POST /none " + str(PAGE)][0] == 404
    in_memory = answers(TestClient(app_of(folder, "covet"), base_url="http://test"))
    assert in_memory == theirs
    with httpx.Client(base_url=server.url) as client:
        assert answers(client) == theirs


def test_methods_that_files_have(folder: Path) -> None:
    client = TestClient(app_of(folder, "covet"))
    assert client.post("/app.js").headers["allow"] == "GET, HEAD"
    assert client.post("/api/items").headers["allow"] == "GET"


@pytest.mark.parametrize("package", ["fastapi", "covet"])
def test_what_cannot_be_served_is_said_at_once(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = __import__(package)
    app = module.FastAPI()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dist").mkdir()
    for path in ("", "app"):
        with pytest.raises(AssertionError, match="path"):
            app.frontend(path, directory="dist")
    with pytest.raises(AssertionError, match=r"fallback must be 'auto', 'index\.html', '404\.html', or None"):
        app.frontend("/", directory="dist", fallback="other")
    with pytest.raises(RuntimeError, match="'missing' does not exist") as error:
        app.frontend("/", directory="missing")
    assert str(tmp_path / "missing") in str(error.value)
    with pytest.raises(RuntimeError, match=r"'index\.html' does not exist in directory 'dist'") as error:
        app.frontend("/", directory="dist", fallback="index.html")
    assert str(tmp_path / "dist") in str(error.value)

    app.frontend("/later", directory="dist", fallback="404.html", check_dir=False)
    client = TestClient(app) if package == "covet" else TheirClient(app)
    with pytest.raises(RuntimeError, match=r"'404\.html' does not exist in directory 'dist'"):
        client.get("/later/none")


@pytest.mark.parametrize(
    ("package", "name"), [("fastapi", "FASTAPI_ENV"), ("covet", "FASTAPI_ENV"), ("covet", "COVET_ENV")]
)
@pytest.mark.parametrize("kind", ["FastAPI", "APIRouter"])
def test_in_development_there_is_a_warning(
    package: str, name: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "development")
    owner = getattr(__import__(package), kind)()
    with pytest.warns(UserWarning, match="does not exist") as warned:
        owner.frontend("/", directory=tmp_path / "missing")
    assert warned[0].filename == __file__
    assert str(tmp_path / "missing") in str(warned[0].message)
    with pytest.raises(RuntimeError, match="does not exist"):
        owner.frontend("/", directory=tmp_path / "missing", check_dir=True)
    with warnings.catch_warnings(action="error"):
        owner.frontend("/", directory=tmp_path)


@pytest.mark.parametrize("package", ["fastapi", "covet"])
def test_frontends_have_no_name(package: str, tmp_path: Path) -> None:
    app = __import__(package).FastAPI()
    app.frontend("/", directory=tmp_path)
    for name in ("frontend", "answer", ""):
        with pytest.raises(Exception, match="No route exists for name"):
            app.url_path_for(name)


def test_middleware_of_a_router_is_around_its_frontend(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("script")

    class Named(BaseHTTPMiddleware):
        def __init__(self, app: Any, name: str) -> None:
            super().__init__(app)
            self.name = name

        async def dispatch(self, request: Request, call_next: Any) -> Any:
            response = await call_next(request)
            response.headers["x-name"] = self.name
            return response

    app, router = CovetPy(), APIRouter(prefix="/inner", middleware=[Middleware(Named, "inner")])
    router.frontend("/", directory=tmp_path)
    app.include_router(router)
    app.frontend("/", directory=tmp_path)
    client = TestClient(app)
    assert client.get("/inner/a.js").headers["x-name"] == client.post("/inner/none").headers["x-name"] == "inner"
    assert "x-name" not in client.get("/a.js").headers


def test_tools_that_look_for_a_route_find_the_others(tmp_path: Path) -> None:
    app = CovetPy(openapi_url=None)
    app.frontend("/", directory=tmp_path)

    @app.get("/")
    async def index() -> None: ...

    scope = {"type": "http", "method": "GET", "path": "/"}
    assert [route.matches(scope)[0].name for route in app.routes] == ["NONE", "FULL"]


def test_figures_name_the_frontend(tmp_path: Path) -> None:
    app = CovetPy()
    app.add_middleware(PrometheusMiddleware)
    app.frontend("/site", directory=tmp_path)
    client = TestClient(app)
    assert client.get("/site/none").status_code == 404
    assert 'path="/site"' in client.get("/metrics").text
