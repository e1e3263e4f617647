"""Bodies, response models and responses."""

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from covet import BackgroundTasks, Body, Cookie, CovetPy, Header, HTTPException, Query, Request, Response, status
from covet.encoders import jsonable_encoder
from covet.exception_handlers import http_exception_handler
from covet.exceptions import RequestValidationError
from covet.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    StreamingResponse,
)

app = CovetPy(default_response_class=JSONResponse)


class Item(BaseModel):
    name: str = Field(min_length=1)
    price: float
    tags: list[str] = []


class Stored(Item):
    key: int


class Filters(BaseModel):
    limit: int = 10
    order: str = "name"


@dataclass
class Point:
    x: int
    y: int = 0


class Box(msgspec.Struct):
    width: int


class Named(TypedDict):
    name: str


@app.post("/items", response_model=Stored, status_code=status.HTTP_201_CREATED, response_model_exclude_unset=True)
async def create(item: Item, tasks: BackgroundTasks) -> dict[str, Any]:
    tasks.add_task(print, item.name, flush=True)
    return {**item.model_dump(), "key": 1}


@app.put("/items/{key}", response_model_exclude={"tags"})
async def replace(key: int, item: Annotated[Item, Body(embed=True)], note: str = Body("")) -> Stored:
    if key < 1:
        raise HTTPException(status.HTTP_404_NOT_FOUND, detail=note)
    return Stored(key=key, **item.model_dump())


@app.get("/items", response_model=list[Item])
async def search(filters: Annotated[Filters, Query()], session: Annotated[str | None, Cookie()] = None) -> list[Item]:
    return [Item(name=filters.order, price=1)][: filters.limit]


@app.post("/shapes")
def shapes(point: Point, box: Box, named: Named, user_agent: Annotated[str, Header()] = "") -> Point:
    return Point(point.x + box.width, len(named["name"]))


@app.get("/html", response_class=HTMLResponse)
async def html() -> str:
    return "<p>hello"


@app.get("/away")
async def away() -> RedirectResponse:
    return RedirectResponse("/html", status_code=303)


@app.get("/stream")
async def stream() -> StreamingResponse:
    return StreamingResponse((str(number) for number in range(3)), media_type="text/plain")


@app.get("/cookie")
async def cookie(response: Response) -> Named:
    response.set_cookie("session", "1", max_age=60, httponly=True, samesite="lax")
    response.status_code = 202
    return {"name": "ada"}


@app.exception_handler(RequestValidationError)
async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    return JSONResponse({"errors": jsonable_encoder(error.errors())}, status_code=400)


@app.exception_handler(HTTPException)
async def failed(request: Request, error: HTTPException) -> Response:
    return await http_exception_handler(request, error)


@app.exception_handler(404)
def missing(request: Request, error: Exception) -> Response:
    return PlainTextResponse("nothing here", 404)
