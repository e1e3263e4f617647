"""`covet openapi`."""

import json
from pathlib import Path

import pytest

from .support import covet

SHOP = """
from covet import CovetPy
app = CovetPy(title="Shöp")

@app.get("/items/{item_id}")
async def item(item_id: int) -> dict[str, int]:
    return {"item": item_id}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP, "utf-8")
    (tmp_path / "other.py").write_text("async def app(scope, receive, send): ...\n", "utf-8")
    return tmp_path


def test_it_is_printed(shop: Path) -> None:
    result = covet("openapi", "shop:app", cwd=shop)
    document = json.loads(result.stdout)
    assert (document["info"]["title"], list(document["paths"])) == ("Shöp", ["/items/{item_id}"])
    assert result.returncode == 0


def test_it_is_written(shop: Path) -> None:
    result = covet("openapi", "shop:app", "--format", "yaml", "-o", "api.yaml", cwd=shop)
    assert (result.stdout, result.returncode) == ("", 0)
    assert (shop / "api.yaml").read_text("utf-8").startswith("openapi: 3.1.0\ninfo:\n  title: Shöp\n")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("shop:app", "--format", "xml"), 2, "'xml' is not one of"),
        (("other:app",), 3, "other:app is not a CovetPy application"),
        (("none:app",), 3, "none"),
        (("shop:app", "-o", "no/such/folder/x.json"), 3, "No such file or directory"),
    ],
)
def test_what_goes_wrong(shop: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    result = covet("openapi", *arguments, cwd=shop)
    assert (result.returncode, words in result.stdout + result.stderr) == (code, True), result.stderr
