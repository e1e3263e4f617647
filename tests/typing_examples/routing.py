"""Routes, routers and decorators: a handler keeps its type."""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Annotated, Any, assert_type

from covet import APIRouter, CovetPy, FastAPI, JSONResponse, Path, PlainTextResponse, Query, Request, Response
from covet.datastructures import URLPath
from covet.routing import APIRoute

app = CovetPy(title="Typed", version="1.2.3", workers="auto", max_body_size="1MB")
router = APIRouter(prefix="/items", tags=["items"])
other: CovetPy = FastAPI()


@app.get("/")
async def root() -> dict[str, str]:
    return {"hello": "world"}


@app.post("/notes/{note_id}", status_code=201, summary="Add", tags=["notes"])
def add(note_id: int, text: str, limit: int = 10) -> list[str]:
    return [text] * min(note_id, limit)


@router.get("/{item_id}", response_model=None, name="item")
async def read(
    request: Request,
    item_id: Annotated[int, Path(ge=1)],
    tags: Annotated[list[str] | None, Query(max_length=5)] = None,
    q: str = Query("", min_length=0),
) -> Response:
    path = request.url_for("item", item_id=str(item_id)).path
    return JSONResponse({"path": path, "tags": tags, "q": q}, headers={"x-item": "1"})


@router.api_route("/any", methods=["GET", "PATCH"])
async def anything(request: Request) -> str:
    assert_type(await request.body(), bytes)
    assert_type(request.headers["host"], str)
    assert_type(request.query_params.get("q"), str | None)
    assert_type(request.cookies, dict[str, str])
    return request.method


@router.put("/put")
@router.patch("/patch")
@router.delete("/delete")
@router.head("/head")
@router.options("/options")
def many() -> None: ...


@app.get("/lines")
async def lines() -> AsyncIterator[dict[str, int]]:
    for number in range(3):
        yield {"number": number}


class Timed(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def timed(request: Request) -> Response:
            response = await handler(request)
            response.headers["x-timed"] = "yes"
            return response

        return timed


timed = APIRouter(route_class=Timed)
app.include_router(router, prefix="/api", dependencies=[], responses={404: {"description": "Missing"}})
app.include_router(timed)
app.mount("/other", other)
app.get("/constant", constant=PlainTextResponse("ok"))

_keep: Callable[[], Awaitable[dict[str, str]]] = root
assert_type(add(1, "a"), list[str])
assert_type(many(), None)
assert_type(app.url_path_for("item", item_id=1), URLPath)


async def check() -> None:
    assert_type(await root(), dict[str, str])
    assert_type(await read(Request({"type": "http"}), 1), Response)
    assert_type(lines(), AsyncIterator[dict[str, int]])
