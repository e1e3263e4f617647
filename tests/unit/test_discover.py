"""Finding the application that was not named."""

from __future__ import annotations

from pathlib import Path

import pytest

from covet.cli.discover import FILES, NotFound, discover

PLAIN = "from covet import CovetPy\napp = CovetPy()\n"


def test_names_are_left_alone() -> None:
    assert discover("shop.main:app", "src") == ("shop.main:app", "src")


@pytest.mark.parametrize("file", FILES)
def test_files_that_are_looked_for(tmp_path: Path, file: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(PLAIN, "utf-8")
    folder = tmp_path / "app" if file.startswith("app/") else tmp_path
    assert discover(None, str(tmp_path)) == (f"{Path(file).stem}:app", str(folder))


def test_the_first_file_counts(tmp_path: Path) -> None:
    for name in ("api.py", "main.py"):
        (tmp_path / name).write_text(PLAIN, "utf-8")
    assert discover(None, str(tmp_path))[0] == "main:app"


def test_packages(tmp_path: Path) -> None:
    for folder in ("shop", "shop/web"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text("", "utf-8")
    (tmp_path / "shop/web/main.py").write_text(PLAIN, "utf-8")
    assert discover("shop/web/main.py", str(tmp_path)) == ("shop.web.main:app", str(tmp_path))
    (tmp_path / "shop/__init__.py").write_text(PLAIN, "utf-8")
    assert discover("shop/__init__.py", str(tmp_path)) == ("shop:app", str(tmp_path))


def test_the_folder_itself_may_be_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/__init__.py").write_text("", "utf-8")
    (tmp_path / "shop/main.py").write_text(PLAIN, "utf-8")
    monkeypatch.chdir(tmp_path / "shop")
    assert discover(None, "") == discover("main.py", ".") == ("shop.main:app", str(tmp_path))


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("api = make()\n", "api"),
        ("api = 1\napp = 2\n", "app"),
        ("app: CovetPy = make()\n", "app"),
        ("from shop import app\n", "app"),
        ("from shop import application as app\n", "app"),
        ("if debug:\n    app = 1\nelse:\n    app = 2\n", "app"),
        ("try:\n    import app\nexcept ImportError:\n    pass\n", "app"),
        ("with open('a'):\n    app = 1\n", "app"),
        ("async def app(scope, receive, send): ...\n", "app"),
        ("other = 1\nweb = CovetPy()\n", "web"),
        ("import covet\nweb = covet.CovetPy()\n", "web"),
        ("web = fastapi.FastAPI(title='x')\n", "web"),
        ("app = (\n", "app"),  # importing it says what is wrong
    ],
)
def test_names_in_a_file(tmp_path: Path, source: str, name: str) -> None:
    (tmp_path / "main.py").write_text(source, "utf-8")
    assert discover(None, str(tmp_path))[0] == f"main:{name}"


def test_a_file_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("raise SystemExit('run')\napp = 1\n", "utf-8")
    assert discover("main.py", str(tmp_path))[0] == "main:app"


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"APP is missing, and none of main.py, .* is there"):
        discover(None, str(tmp_path))
    with pytest.raises(NotFound, match="there is no file"):
        discover("shop.py", str(tmp_path))
    (tmp_path / "main.py").write_text("application = 1\ndef f():\n    app = 1\n", "utf-8")
    with pytest.raises(NotFound, match=r"main\.py has neither app nor api; name the application, such as main:"):
        discover(None, str(tmp_path))
