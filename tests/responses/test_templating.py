"""Jinja2 templates, as Starlette renders them."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import jinja2
import pytest
import starlette.templating

import covet.templating
from covet import BackgroundTask, CovetPy, Request
from covet.templating import Jinja2Templates

from .support import answered, called

PAGE = "<p>{{ name }}</p>{{ request.path }}{{ extra }}<a href='{{ url_for('item', item_id=5) }}'>"


class Asked:
    """As much of a request as templates use."""

    path = "/here"

    def url_for(self, name: str, /, **path_params: Any) -> str:
        return f"http://test/{name}/{path_params['item_id']}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "page.html").write_text(PAGE)
    (tmp_path / "plain.txt").write_text("{{ name }}")
    return tmp_path


def processor(request: Any) -> dict[str, Any]:
    return {"extra": f"from {request.path}"}


@pytest.mark.parametrize("module", [covet.templating, starlette.templating])
def test_rendering(module: Any, folder: Path) -> None:
    templates = module.Jinja2Templates(directory=folder, context_processors=[processor])
    request = Asked()
    response = templates.TemplateResponse(request, "page.html", {"name": "<b>"}, 201, {"x-a": "b"})
    assert response.body == b"<p>&lt;b&gt;</p>/herefrom /here<a href='http://test/item/5'>"
    assert (response.status_code, response.headers["x-a"]) == (201, "b")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.template.name == "page.html"
    assert response.context == {"name": "<b>", "request": request, "extra": "from /here"}
    text = templates.TemplateResponse(request, "plain.txt", {"name": "<b>"}, media_type="text/plain")
    assert (text.body, text.headers["content-type"]) == (b"<b>", "text/plain; charset=utf-8")
    assert templates.TemplateResponse(request, name="plain.txt").body == b""
    with pytest.raises(jinja2.TemplateNotFound):
        templates.get_template("../secret")


def test_several_folders_and_ones_own_environment(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "other.html").write_text("other")
    templates = Jinja2Templates([folder, str(tmp_path / "second")])
    assert templates.get_template("other.html").render() == "other"
    env = jinja2.Environment(loader=jinja2.DictLoader({"a": "{{ url_for('x') }}"}))
    env.globals["url_for"] = lambda name: f"own {name}"
    asked: Any = Asked()
    assert Jinja2Templates(env=env).TemplateResponse(asked, "a").body == b"own x"


def test_either_a_folder_or_an_environment() -> None:
    for arguments in ({}, {"directory": "x", "env": jinja2.Environment()}):
        with pytest.raises(ValueError, match="either a directory or env"):
            Jinja2Templates(**arguments)  # type: ignore[arg-type]


def test_without_jinja2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match="pip install jinja2"):
        Jinja2Templates("templates")


def test_answers_and_what_a_test_client_is_told(folder: Path) -> None:
    app = CovetPy()
    templates = Jinja2Templates(folder)
    seen: list[int] = []

    @app.get("/")
    async def page(request: Request) -> Any:
        return templates.TemplateResponse(
            request, "plain.txt", {"name": "n"}, background=BackgroundTask(seen.append, 1)
        )

    messages = asyncio.run(called(app, extensions={"http.response.debug": {}}))
    assert [message["type"] for message in messages] == [
        "http.response.debug",
        "http.response.start",
        "http.response.body",
    ]
    assert messages[0]["info"]["template"].name == "plain.txt"
    assert messages[0]["info"]["context"]["name"] == "n"
    assert asyncio.run(called(app))[1]["body"] == b"n"
    assert seen == [1, 1]

    asked: Any = Asked()
    response = templates.TemplateResponse(asked, "plain.txt", {"name": "n"})
    assert answered(response).sent == b"n"
    direct = asyncio.run(called(response, extensions={"http.response.debug": {}}))
    assert direct[0]["type"] == "http.response.debug"
