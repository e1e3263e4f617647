"""`covet check-fastapi`: what it says of applications, and what `--write` makes of them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from covet.migration import examine

COVERED = '''
"""A shop."""
import fastapi.responses
from typing import Annotated
from fastapi import (
    APIRouter,  # routes
    Depends,
    FastAPI as Api, Request,
)
from fastapi.middleware.cors import CORSMiddleware
from starlette.middleware.base import BaseHTTPMiddleware
import starlette.status as codes

router = APIRouter(prefix="/items", tags=["items"])

def page(number: Annotated[int, fastapi.Query(ge=1)] = 1) -> int:
    return number

@router.get("/{item_id}", status_code=codes.HTTP_202_ACCEPTED, response_model=None)
async def read(request: Request, item_id: int, page: int = Depends(page)):
    request.state.page = page
    return fastapi.responses.JSONResponse({"path": request.url.path, "page": request.state.page})

app = Api(title="Shop")
app.add_middleware(CORSMiddleware, allow_origins=["*"])
app.include_router(router, prefix="/v1")
'''


def lines_of(tmp_path: Path, source: str, *, name: str = "main.py") -> list[str]:
    """The findings in a file, but for imports to change, as "line kind: text"."""
    (tmp_path / name).write_text(dedent(source).lstrip("\n"), "utf-8")
    return [f"{each.line} {each.kind}: {each.text}" for each in examine(tmp_path).findings if each.kind != "import"]


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "covet", "check-fastapi", *map(str, arguments)], capture_output=True, text=True
    )


# ---- what is covered -------------------------------------------------------------------------


def test_an_application_that_is_covered(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    path = tmp_path / "shop" / "main.py"
    path.write_text(COVERED, "utf-8")
    result = command(tmp_path)
    assert result.stdout.splitlines() == [
        f"{path}:3: import: import covet.responses",
        f"{path}:5: import: from covet import APIRouter, Depends, FastAPI as Api, Request",
        f"{path}:10: import: from covet.middleware.cors import CORSMiddleware",
        f"{path}:11: import: from covet.middleware.base import BaseHTTPMiddleware",
        f"{path}:12: import: import covet.status as codes",
        "1 file: 0 missing, 0 differ, 5 imports to change (--write changes them)",
    ]
    assert (result.returncode, result.stderr) == (0, "")
    assert path.read_text("utf-8") == COVERED


def test_the_imports_are_changed(tmp_path: Path) -> None:
    path = tmp_path / "main.py"
    path.write_text(COVERED, "utf-8")
    result = command("--write", path)
    assert result.stdout.splitlines()[-1] == "1 file: 0 missing, 0 differ, imports changed in 1 file"
    expected = COVERED.replace("fastapi", "covet").replace("starlette", "covet")
    assert path.read_text("utf-8") == expected
    again = command("--write", path)
    assert again.stdout == "1 file: 0 missing, 0 differ, imports changed in 0 files\n"
    client = (
        "from covet.testclient import TestClient\nfrom main import app\n"
        "print(TestClient(app).get('/v1/items/5').json())"
    )
    served = subprocess.run([sys.executable, "-c", client], cwd=tmp_path, capture_output=True, text=True)
    assert served.stdout == "{'path': '/v1/items/5', 'page': 1}\n", served.stderr


# ---- what is missing --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from fastapi import Nothing", ["1 missing: fastapi.Nothing has no counterpart"]),
        ("import fastapi.nothing", ["1 missing: fastapi.nothing has no counterpart"]),
        ("from fastapi.nothing import a, b", [f"1 missing: fastapi.nothing.{x} has no counterpart" for x in "ab"]),
        ("import fastapi\nfastapi.nothing.more()", ["2 missing: fastapi.nothing has no counterpart"]),
        ("from fastapi import responses as r\nr.Nothing", ["2 missing: fastapi.responses.Nothing has no counterpart"]),
        (
            "from starlette.schemas import SchemaGenerator",
            ["1 missing: starlette.schemas.SchemaGenerator has no counterpart; app.openapi() makes the document"],
        ),
        (
            "from starlette.routing import Route",
            [
                "1 missing: starlette.routing.Route has no counterpart; "
                "app.add_route(path, function, methods) registers one"
            ],
        ),
        ("from fastapi import Query\nQuery(1, bogus=2)", ["2 missing: Query() has no argument bogus"]),
        (
            "from fastapi import FastAPI\napp = FastAPI()\napp.get('/', bogus=2)",
            ["3 missing: CovetPy.get() has no argument bogus"],
        ),
        ("from fastapi import FastAPI\napp = FastAPI()\napp.bogus", ["3 missing: CovetPy has no bogus"]),
        ("from fastapi import FastAPI\nFastAPI('x')", ["2 missing: CovetPy() takes 0 arguments by position, not 1"]),
        ("import fastapi\ndef f(r: fastapi.Request | None): r.bogus", ["2 missing: Request has no bogus"]),
        (
            "from fastapi import Request\nfrom typing import Annotated\ndef f(r: Annotated[Request, 1]): r.x",
            ["3 missing: Request has no x"],
        ),
        (
            "from fastapi import FastAPI\nfrom fastapi.middleware.cors import CORSMiddleware as C\n"
            "app = FastAPI()\napp.add_middleware(C, allow_everything=True)",
            ["4 missing: CORSMiddleware has no option allow_everything"],
        ),
        (
            "from fastapi import APIRouter\nr = APIRouter()\n@r.get('/{x}}')\ndef f(x): ...",
            ["3 missing: the path '/{x}}' has a brace that is no parameter's, or a NUL"],
        ),
        ("import slowapi.util", ["1 missing: slowapi: it looks for Starlette's classes"]),
    ],
)
def test_what_is_missing(tmp_path: Path, source: str, expected: list[str]) -> None:
    assert lines_of(tmp_path, source) == expected
    assert command(tmp_path).returncode == 1


@pytest.mark.parametrize(
    "source",
    [
        "from os import path\npath.bogus",
        "from fastapi import FastAPI\napp = FastAPI()\napp = dict()\napp.bogus",
        "from fastapi import Request\ndef f(r: Request): ...\ndef g(r): r.bogus",
        "from fastapi import Request\ndef f(r: list[Request]): r.bogus",
        "from fastapi import FastAPI\napp = FastAPI()\napp.state.anything",
        "from fastapi import Query\nQuery(1, **options)",
        "from .fastapi import Nothing",
        "print('fastapi is here')",
    ],
)
def test_what_is_not_theirs_is_left_alone(tmp_path: Path, source: str) -> None:
    assert lines_of(tmp_path, source) == []


# ---- what differs ------------------------------------------------------------------------------

HEAD = "from fastapi import FastAPI, APIRouter\napp = FastAPI()\nrouter = APIRouter()\n"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "@app.get('/users/{name}')\ndef a(name): ...\n@app.get('/users/me')\ndef b(): ...",
            [
                "6 differs: FastAPI answers /users/me by /users/{name} (line 4), which comes first; "
                "CovetPy by /users/me, which is more specific"
            ],
        ),
        ("@app.get('/users/me')\ndef b(): ...\n@app.get('/users/{name}')\ndef a(name): ...", []),
        ("@app.get('/users/{name}')\ndef a(name): ...\n@app.post('/users/me')\ndef b(): ...", []),
        ("@app.get('/users/{name}')\ndef a(name): ...\n@router.get('/users/me')\ndef b(): ...", []),
        ("@app.get('/{n:int}')\ndef a(n): ...\n@app.get('/me')\ndef b(): ...", []),
        (
            "@app.get('/')\ndef a():\n    return {}, 201",
            ["6 differs: a tuple is the body, the status and the header fields; return a list if it is data"],
        ),
        ("@app.get('/')\ndef a():\n    def inner():\n        return {}, 201\n    return inner()[0]", []),
        ("def a():\n    return {}, 201", []),
        (
            "@app.get('/{x:word}')\ndef a(x): ...",
            ["4 differs: the converter 'word' matches within a segment, and what it does not match is not found"],
        ),
        ("@app.get('/')\ndef a() -> bytes: ...", ["5 differs: bytes are the body as it is, not text in JSON"]),
        (
            "import fastapi_more",
            ["4 differs: fastapi_more is made for FastAPI; try whether it takes CovetPy's objects"],
        ),
        (
            "import anyio.to_thread\nanyio.to_thread.current_default_thread_limiter().total_tokens = 100",
            ["5 differs: AnyIO's limiter does not count CovetPy's threads: CovetPy(threads=...) sets their number"],
        ),
        (
            "from anyio.to_thread import current_default_thread_limiter as of\nlimiter = of()",
            ["4 differs: AnyIO's limiter does not count CovetPy's threads: CovetPy(threads=...) sets their number"],
        ),
        (
            "patch('fastapi.encoders.jsonable_encoder')",
            [
                "4 differs: the text 'fastapi.encoders.jsonable_encoder' may "
                "name what is covet.encoders.jsonable_encoder now"
            ],
        ),
    ],
)
def test_what_differs(tmp_path: Path, source: str, expected: list[str]) -> None:
    assert lines_of(tmp_path, HEAD + source) == expected
    assert command(tmp_path).returncode == 0


def test_an_argument_that_the_application_does_not_know(tmp_path: Path) -> None:
    assert lines_of(tmp_path, HEAD + "FastAPI(bogus=1)") == ["4 missing: CovetPy() has no argument bogus"]
    assert command(tmp_path).returncode == 1


# ---- changing files -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("from fastapi import FastAPI, Nothing\n", "from covet import FastAPI\nfrom fastapi import Nothing\n"),
        ("from fastapi import Nothing\n", "from fastapi import Nothing\n"),
        ("from fastapi.responses import *\n", "from covet.responses import *\n"),
        ("import os, fastapi as f\n", "import os, covet as f\n"),
        ("import fastapi\nfastapi.Query()\n", "import covet\ncovet.Query()\n"),
        ("import fastapi\ndef f(covet): fastapi.Query()\n", "import covet as fastapi\ndef f(covet): fastapi.Query()\n"),
        ("import fastapi.nothing, fastapi\n", "import fastapi.nothing, covet as fastapi\n"),
        (
            "try:\n    from fastapi import Query, Nothing\nexcept ImportError: ...\n",
            "try:\n    from covet import Query\n    from fastapi import Nothing\nexcept ImportError: ...\n",
        ),
        (
            "x = 'ä'; import fastapi; y = fastapi.Query(description='ö'), fastapi.Path()\r\n",
            "x = 'ä'; import covet; y = covet.Query(description='ö'), covet.Path()\r\n",
        ),
    ],
)
def test_changed_imports(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "main.py"
    path.write_bytes(before.encode())
    examine(path, write=True)
    assert path.read_bytes().decode() == after
    ast.parse(after)


def test_other_encodings_stay(tmp_path: Path) -> None:
    path = tmp_path / "main.py"
    path.write_bytes("# coding: latin-1\nx = 'ä'; import fastapi\n".encode("latin-1"))
    examine(path, write=True)
    assert path.read_bytes() == "# coding: latin-1\nx = 'ä'; import covet\n".encode("latin-1")


# ---- files and folders --------------------------------------------------------------------------


def test_which_files_are_read(tmp_path: Path) -> None:
    for name in (".git/a.py", "env/lib/b.py", "node_modules/c.py", "__pycache__/d.py", "e.txt", "pkg/f.py", "g.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("import fastapi", "utf-8")
    (tmp_path / "env" / "pyvenv.cfg").touch()
    report = examine(tmp_path)
    assert [each.path.name for each in report.findings] == ["g.py", "f.py"]
    assert report.files == 2


def test_a_file_that_is_no_python(tmp_path: Path) -> None:
    (found,) = lines_of(tmp_path, "\n\nx = =\n")
    assert found.startswith("1 missing: Python 3.")
    assert found.endswith("cannot read this: invalid syntax (main.py, line 1)")


def test_a_path_that_does_not_exist(tmp_path: Path) -> None:
    result = command(tmp_path / "nowhere")
    assert result.returncode == 2
    assert "does not exist" in result.stderr


def test_nothing_of_the_application_is_run(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("from fastapi import FastAPI\nopen('ran', 'w')\nraise SystemExit(5)", "utf-8")
    assert command(tmp_path).returncode == 0
    assert not (tmp_path / "ran").exists()


def test_fastapi_need_not_be_installed(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(COVERED, "utf-8")
    code = (
        "import sys\nsys.modules.update(fastapi=None, starlette=None)\n"
        "from covet.migration import examine\nfrom pathlib import Path\n"
        "print(examine(Path('main.py')).count('missing'), 'fastapi.routing' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert result.stdout == "0 False\n", result.stderr
