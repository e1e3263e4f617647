"""`covet routes` and `covet check`."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from .support import covet

SHOP = """
import functools
from covet import CovetPy, PlainTextResponse

app = CovetPy()
app.get("/health", constant=PlainTextResponse("ok"))

@app.route("/items/{item_id:int}", methods=("GET", "HEAD"), name="item")
async def read(item_id: int) -> int:
    return item_id

class Handler:
    async def __call__(self) -> None: ...

app.add_route("/object", Handler())
app.add_route("/partial", functools.partial(read, 5))
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP, "utf-8")
    return tmp_path


def test_the_table_of_routes(shop: Path) -> None:
    result = covet("routes", "shop:app", cwd=shop)
    assert result.stdout.splitlines() == [
        "METHODS   PATH                  NAME     HANDLER",
        "GET       /health                        constant",
        "GET HEAD  /items/{item_id:int}  item     shop.read",
        "GET       /object               Handler  shop.Handler",
        "GET       /partial              read     shop.read",
    ]
    assert result.returncode == 0


def test_routes_as_json(shop: Path) -> None:
    found = json.loads(covet("routes", "shop:app", "--json", cwd=shop).stdout)
    assert found[1] == {
        "methods": ["GET", "HEAD"],
        "path": "/items/{item_id:int}",
        "name": "item",
        "handler": "shop.read",
    }


def test_routes_of_what_is_no_application(shop: Path) -> None:
    result = covet("routes", "none:app", cwd=shop)
    assert result.returncode == 3 and 'Could not import module "none".' in result.stderr
    result = covet("routes", "shop:read", cwd=shop)
    assert result.returncode == 3 and "shop:read is not a CovetPy application" in result.stderr


def test_an_application_without_problems(shop: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:  # nothing is bound
        result = covet("check", "shop:app", "--port", str(taken.getsockname()[1]), cwd=shop)
    assert (result.returncode, result.stdout, result.stderr) == (0, "shop:app: no problems\n", "")


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (
            "app.get('/a/{x}')(one)\napp.get('/a/{y:str}')(two)",
            "GET /a/{y:str} (bad.two) is never reached: /a/{x} (bad.one)",
        ),
        ("app.get('/a/{x')(one)", "brace"),
        ("app = CovetPy(workers=0)", "workers must be from 1 to 64"),
    ],
)
def test_problems(tmp_path: Path, source: str, problem: str) -> None:
    head = "from covet import CovetPy\napp = CovetPy()\nasync def one(): ...\nasync def two(): ...\n"
    (tmp_path / "bad.py").write_text(head + source, "utf-8")
    result = covet("check", "bad:app", cwd=tmp_path)
    assert result.returncode == 1 and problem in result.stdout, result
    assert "Traceback" not in result.stderr


def test_what_cannot_be_imported(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("1 / 0\n", "utf-8")
    result = covet("check", "bad:app", cwd=tmp_path)
    assert result.returncode == 3 and "ZeroDivisionError" in result.stderr
    result = covet("check", "bad:app", "--log-config", "none.json", cwd=tmp_path)
    assert result.returncode == 3 and "log_config: none.json" in result.stderr


def test_wrong_options_of_check(shop: Path) -> None:
    result = covet("check", "shop:app", "--fd", "3", "--uds", "/a", cwd=shop)
    assert result.returncode == 2 and "uds cannot be given with fd" in result.stderr


def test_an_asgi_application(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("async def app(scope, receive, send): ...\n", "utf-8")
    assert covet("check", "other:app", cwd=tmp_path).stdout == "other:app: no problems\n"
