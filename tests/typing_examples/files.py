"""Forms, uploads, files, templates, events and the OpenAPI document."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, assert_type

from pydantic import BaseModel

from covet import CovetPy, File, FileResponse, Form, Request, Response, UploadFile
from covet.openapi.utils import get_openapi
from covet.sse import EventSourceResponse, ServerSentEvent
from covet.staticfiles import StaticFiles
from covet.templating import Jinja2Templates

app = CovetPy(form_limits={"max_files": 3})


class Person(BaseModel):
    name: str


@app.post("/people")
async def add(person: Annotated[Person, Form()], note: str = Form("")) -> Person:
    return person


@app.post("/files")
async def upload(file: UploadFile, others: list[UploadFile], raw: Annotated[bytes, File()] = b"") -> dict[str, Any]:
    assert_type(await file.read(10), bytes)
    assert_type(file.filename, str | None)
    assert_type(file.size, int | None)
    await file.seek(0)
    return {"names": [other.filename for other in others]}


@app.post("/by-hand")
async def by_hand(request: Request) -> list[str]:
    async with request.form(max_fields=3) as form:
        return [key for key, _ in form.multi_items()]


@app.get("/file")
async def file() -> FileResponse:
    return FileResponse(Path("a.txt"), filename="b.txt", media_type="text/plain")


@app.get("/events", response_class=EventSourceResponse)
async def events() -> AsyncIterator[ServerSentEvent]:
    yield ServerSentEvent(data={"a": 1}, event="x", id="1")


@app.get("/page")
async def page(request: Request) -> Response:
    assert_type(request.path_params, dict[str, Any])
    return Jinja2Templates(directory=".").TemplateResponse(request, "page.html", {"a": 1})


def openapi() -> dict[str, Any]:
    document = get_openapi(title="Typed", version="1", routes=app.routes)
    document["info"]["x-logo"] = {"url": "logo.png"}
    return document


app.mount("/static", StaticFiles(directory="static", html=True, check_dir=False), name="static")
assert_type(app.openapi(), dict[str, Any])
app.openapi = openapi  # type: ignore[method-assign]
