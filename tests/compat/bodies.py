"""Bodies: models, members, forms of JSON that do not fit."""

# ruff: noqa: B008
from typing import Annotated, Any

from pydantic import Field

from .models import Aliased, Cat, Checked, Dog, Item, Movie, Point, Strict, User


def build(fw: Any) -> Any:
    app = fw.FastAPI()
    Body = fw.Body

    @app.post("/item")
    async def item(item: Item):
        return item

    @app.put("/item/{n}")
    async def item_and_more(n: int, item: Item, q: str | None = None):
        return {"n": n, **item.model_dump(), "q": q}

    @app.post("/item-none")
    async def item_none(item: Item | None = None):
        return item

    @app.post("/items")
    async def items(items: list[Item]):
        return items

    @app.post("/two")
    async def two(item: Item, user: User):
        return {"item": item, "user": user}

    @app.post("/two-and-number")
    async def two_number(item: Item, user: User, n: Annotated[int, Body(gt=0)]):
        return [item, user, n]

    @app.post("/embed")
    async def embed(item: Annotated[Item, Body(embed=True)]):
        return item

    @app.post("/number")
    async def number(n: int = Body()):
        return n

    @app.post("/number-embed")
    async def number_embed(n: int = Body(embed=True, ge=2)):
        return n

    @app.post("/default")
    async def default(n: Annotated[int, Body()] = 7):
        return n

    @app.post("/text")
    async def text(s: Annotated[str, Body(min_length=2)]):
        return s

    @app.post("/dict")
    async def dict_(d: dict[str, int]):
        return d

    @app.post("/dict-int")
    async def dict_int(d: dict[int, float]):
        return d

    @app.post("/list")
    async def list_(v: list[int]):
        return v

    @app.post("/set")
    async def set_(v: set[str]):
        return sorted(v)

    @app.post("/any")
    async def any_(v: Any = Body(None)):
        return {"v": v}

    @app.post("/aliased")
    async def aliased(v: Aliased):
        return v

    @app.post("/strict")
    async def strict(v: Strict):
        return v

    @app.post("/checked")
    async def checked(v: Checked):
        return v

    @app.post("/union")
    async def union(v: Cat | Dog):
        return v

    @app.post("/tagged")
    async def tagged(v: Annotated[Cat | Dog, Field(discriminator="kind")]):
        return v

    @app.post("/point")
    async def point(p: Point):
        return p

    @app.post("/movie")
    async def movie(m: Movie):
        return m

    @app.post("/alias-member")
    async def alias_member(a: Annotated[int, Body(alias="aA")], b: Annotated[str, Body()] = "b"):
        return [a, b]

    @app.post("/raw")
    async def raw(request: fw.Request):
        return {"size": len(await request.body())}

    @app.post("/raw-json")
    async def raw_json(request: fw.Request):
        return await request.json()

    @app.post("/both")
    async def both(request: fw.Request, item: Item):
        return [len(await request.body()), item.name]

    @app.delete("/item")
    async def delete(item: Item):
        return item.name

    @app.patch("/partial")
    async def partial(item: Item):
        return item.model_dump(exclude_unset=True)

    return app


GOOD = {"name": "fork", "price": 2}
FULL = {
    "name": "fork",
    "price": "2.5",
    "tax": 0.1,
    "tags": ["a"],
    "unique": [1, 1, 2],
    "image": {"url": "http://example.com/x"},
    "images": [{"url": "https://example.com", "name": "n"}],
    "when": "2024-02-29T10:00:00Z",
    "colour": "blue",
    "more": 1,
}
USER = {"name": "ann", "email": "a@b"}
BODIES: list[Any] = [
    GOOD,
    FULL,
    {},
    [],
    None,
    5,
    -1,
    "text",
    "x",
    True,
    [GOOD, FULL],
    [GOOD, {"name": "x"}],
    {"item": GOOD},
    {"item": GOOD, "user": USER},
    {"item": GOOD, "user": USER, "n": 3},
    {"item": {}, "user": 1, "n": 0},
    {"n": 1},
    {"n": 3},
    {"n": "3"},
    {"a": 1, "b": 2},
    {"a": "x"},
    {"1": "2.5"},
    [1, "2", 3],
    ["a", "a"],
    {"itemId": 4},
    {"item_id": 4, "kind": "k"},
    {"a": 1},
    {"a": 1, "c": 2},
    {"low": 2, "high": 1},
    {"low": 1, "high": 3},
    {"low": 2, "high": 3},
    {"kind": "cat", "lives": 9},
    {"kind": "dog", "barks": "yes"},
    {"kind": "cow"},
    {"x": 1, "names": ["n"]},
    {"x": "far"},
    {"title": "t", "year": 1999},
    {"title": 1},
    {"aA": 3},
    {"aA": 3, "b": "c"},
    {"name": "x", "price": -1, "image": {"url": "no"}, "tags": "t", "when": "never", "colour": "green"},
]
PATHS = [
    "/item",
    "/item-none",
    "/items",
    "/two",
    "/two-and-number",
    "/embed",
    "/number",
    "/number-embed",
    "/default",
    "/text",
    "/dict",
    "/dict-int",
    "/list",
    "/set",
    "/any",
    "/aliased",
    "/strict",
    "/checked",
    "/union",
    "/tagged",
    "/point",
    "/movie",
    "/alias-member",
    "/raw",
    "/raw-json",
    "/both",
]
REQUESTS: list[tuple[str, dict[str, Any]]] = [
    (path, {"method": "POST", "json": body}) for path in PATHS for body in BODIES
]
for _path in PATHS:
    for _content, _type in (
        (b"", "application/json"),
        (b"{", "application/json"),
        (b'{"name": "fork", "price": 2}', None),
        (b'{"name": "fork", "price": 2}', "text/plain"),
        (b'{"name": "fork", "price": 2}', "application/geo+json"),
        (b'{"name": "fork", "price": 2}', "Application/JSON; charset=utf-8"),
        (b"[1, 2,]", "application/json"),
        (b"nul", "application/json"),
        (b'{"a": 1} x', "application/json"),
        (b"a=1", "application/x-www-form-urlencoded"),
        (b'"\\ud800"', "application/json"),
        (b"NaN", "application/json"),
    ):
        headers = [("content-type", _type)] if _type else []
        REQUESTS.append((_path, {"method": "POST", "content": _content, "headers": headers}))
REQUESTS += [
    ("/item/3?q=x", {"method": "PUT", "json": GOOD}),
    ("/item/x", {"method": "PUT", "json": {"name": "f"}}),
    ("/item", {"method": "DELETE", "json": GOOD}),
    ("/partial", {"method": "PATCH", "json": GOOD}),
    ("/partial", {"method": "PATCH", "json": FULL}),
]
