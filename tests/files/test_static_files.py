"""Folders are served as Starlette serves them, and nothing outside of them is."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.exceptions import HTTPException as TheirHTTPException
from starlette.staticfiles import StaticFiles as TheirStaticFiles

from covet import CovetPy, HTTPException, Response
from covet.staticfiles import StaticFiles
from covet.testclient import TestClient

from .support import asked


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top: Path = tmp_path_factory.mktemp("tree")
    (top / "secret.txt").write_text("secret")
    (top / "public-too").mkdir()
    (top / "public-too" / "near.txt").write_text("secret")
    public = top / "public"
    for folder in ("dir", "dir/sub", "empty", "a b", "caf\u00e9", "..."):
        (public / folder).mkdir(parents=True)
    for name in (
        "a.txt", "dir/index.html", "dir/b.css", "dir/sub/c.js", "a b/d e.svg", "caf\u00e9/\u20ac.txt", ".hidden",
        ".../x", "404.html", "index.html", "noext", "large.tar.gz", "back\\slash", "%41.txt",
    ):  # fmt: skip
        (public / name).write_text(f"<{name}>")
    (public / "out.txt").symlink_to(top / "secret.txt")
    (public / "out").symlink_to(top / "public-too")
    (public / "in.txt").symlink_to("a.txt")
    (public / "loop").symlink_to("loop")
    (public / "dangling").symlink_to("nothing")
    os.mkfifo(public / "pipe")
    return top


PATHS = [
    "/", "", "/a.txt", "/a.txt/", "/dir", "/dir/", "/dir/index.html", "/dir/b.css", "/dir/sub", "/dir/sub/",
    "/dir/sub/c.js", "/dir//b.css", "//a.txt", "/./a.txt", "/dir/../a.txt", "/../secret.txt", "/../public/a.txt",
    "/../public-too/near.txt", "/../../../../../../../../etc/passwd", "/dir/../../secret.txt", "//etc/passwd",
    "/etc/passwd", "/..", "/../", "/.", "/out.txt", "/out", "/out/near.txt", "/in.txt", "/loop", "/dangling",
    "/pipe", "/empty", "/empty/", "/nothing", "/noext", "/a b/d e.svg", "/caf\u00e9/\u20ac.txt", "/.hidden",
    "/.../x", "/large.tar.gz", "/a.txt/x", "/a\x00.txt", "/\x00", "/" + "x" * 300, "/" + "x/" * 3000,
    "/\\etc\\passwd", "/..\\secret.txt", "/back\\slash", "/%2e%2e/secret.txt", "/%41.txt", "/A.txt", "/index.html",
    "/404.html", "/~root", "/dir/..;/a.txt", "/C:/a.txt",
]  # fmt: skip


def outcome(app: Any, path: str, **options: Any) -> Any:
    try:
        status, headers, body = asked(app, path, **options)
    except (HTTPException, TheirHTTPException) as error:
        return error.status_code, dict(error.headers or {}), error.detail
    except Exception as error:
        return type(error)
    return status, headers, b"" if options.get("method") == "HEAD" else body


OPTIONS: list[dict[str, Any]] = [{}, {"html": True}, {"follow_symlink": True}, {"html": True, "follow_symlink": True}]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_same_answers(tree: Path, options: dict[str, Any], method: str) -> None:
    theirs = TheirStaticFiles(directory=tree / "public", **options)
    ours = StaticFiles(directory=tree / "public", **options)
    for path in PATHS:
        for root_path in ("", "/static"):
            request = {"method": method, "root_path": root_path}
            expected = outcome(theirs, root_path + path, **request)
            got = outcome(ours, root_path + path, **request)
            if isinstance(expected, type) and not isinstance(got, type):
                assert got[0] == 404, path  # what Starlette has no answer for
            else:
                assert got == expected, path
            if "follow_symlink" not in options and not isinstance(got, type):
                assert b"secret" not in (got[2] if isinstance(got[2], bytes) else b""), path


@pytest.mark.parametrize("fields", [{"range": "bytes=1-2"}, {"range": "bytes=99-"}, {"range": "x"}, {"if_range": "x"}])
def test_same_parts(tree: Path, fields: dict[str, str]) -> None:
    apps = [kind(directory=tree / "public") for kind in (TheirStaticFiles, StaticFiles)]
    assert outcome(apps[0], "/a.txt", **fields) == outcome(apps[1], "/a.txt", **fields)


def test_what_the_client_has(tree: Path) -> None:
    apps = [kind(directory=tree / "public", html=True) for kind in (TheirStaticFiles, StaticFiles)]
    _, headers, _ = outcome(apps[1], "/a.txt")
    etag, modified = headers["etag"], headers["last-modified"]
    for fields in (
        {"if_none_match": etag},
        {"if_none_match": "*"},
        {"if_none_match": f'W/{etag}, "x"'},
        {"if_none_match": '"x"', "if_modified_since": modified},
        {"if_modified_since": modified},
        {"if_modified_since": "Thu, 01 Jan 1970 00:00:00 GMT"},
        {"if_modified_since": "x"},
    ):
        for path in ("/a.txt", "/", "/nothing"):
            assert outcome(apps[0], path, **fields) == outcome(apps[1], path, **fields), (path, fields)


PARTS = st.lists(
    st.one_of(
        st.sampled_from(["..", ".", "", "dir", "sub", "a.txt", "out", "near.txt", "public", "secret.txt", "\\", "\0"]),
        st.text(max_size=3),
    ),
    max_size=8,
)  # fmt: skip


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PARTS)
def test_no_path_leads_outside(tree: Path, parts: list[str]) -> None:
    path = "/" + "/".join(parts)
    got = outcome(StaticFiles(directory=tree / "public"), path)
    assert isinstance(got, tuple), path
    assert got[0] in (200, 404) and got[2] != b"secret"


def test_several_folders(tree: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for package in ("one", "two"):
        (tmp_path / package / "statics").mkdir(parents=True)
        (tmp_path / package / "__init__.py").touch()
        (tmp_path / package / "statics" / f"{package}.txt").write_text(package)
        (tmp_path / package / "statics" / "a.txt").write_text("not this one")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    app = StaticFiles(directory=tree / "public", packages=["one", ("two", "statics")])
    assert [outcome(app, path)[2] for path in ("/one.txt", "/two.txt", "/a.txt")] == [b"one", b"two", b"<a.txt>"]
    for packages in (["no_such_package"], [("one", "nothing")], [("one", "__init__.py")]):
        with pytest.raises(ValueError, match="could not be found"):
            StaticFiles(packages=packages)  # type: ignore[arg-type]


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="does not exist"):
        StaticFiles(directory=tmp_path / "nothing")
    later = StaticFiles(directory=tmp_path / "later", check_dir=False)
    with pytest.raises(RuntimeError, match="does not exist"):
        asked(later, "/a.txt")
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "a.txt").write_text("now")
    assert asked(later, "/a.txt")[2] == b"now"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_what_may_not_be_read(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    assert outcome(StaticFiles(directory=tmp_path), "/closed/a")[0] == 401


class Dated(StaticFiles):
    async def get_response(self, path: str, scope: Any) -> Response:
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = "max-age=5"
        return response


@pytest.mark.parametrize("middleware", [False, True])
def test_mounted(tree: Path, middleware: bool) -> None:
    app = CovetPy()
    app.mount("/static", StaticFiles(directory=tree / "public"), name="static")
    app.mount("/site", Dated(directory=tree / "public", html=True))
    if middleware:

        @app.middleware("http")
        async def mark(request: Any, call_next: Any) -> Any:
            response = await call_next(request)
            response.headers["x-seen"] = str(response.status_code)
            return response

    @app.get("/where")
    async def where() -> str:
        return app.url_path_for("static", path="/dir/b.css")

    with TestClient(app) as client:
        response = client.get("/static/dir/b.css")
        assert (response.text, response.headers["content-type"]) == ("<dir/b.css>", "text/css; charset=utf-8")
        assert response.headers.get("x-seen") == ("200" if middleware else None)
        etag = response.headers["etag"]
        assert client.get("/static/dir/b.css", headers={"if-none-match": etag}).status_code == 304
        ranged = client.get("/static/dir/b.css", headers={"range": "bytes=1-3"})
        assert (ranged.status_code, ranged.text) == (206, "dir")
        missing = client.get("/static/nothing")
        assert (missing.status_code, missing.json()) == (404, {"detail": "Not Found"})
        refused = client.post("/static/a.txt")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
        assert client.head("/static/a.txt").headers["content-length"] == "7"
        redirect = client.get("/site/dir", follow_redirects=False)
        assert (redirect.status_code, redirect.headers["location"]) == (307, "http://testserver/site/dir/")
        page = client.get("/site/dir/")
        assert (page.text, page.headers["cache-control"]) == ("<dir/index.html>", "max-age=5")
        assert (client.get("/site/x").status_code, client.get("/site/x").text) == (404, "<404.html>")
        assert client.get("/where").json() == "/static/dir/b.css"
