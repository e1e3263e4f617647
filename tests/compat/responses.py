"""What handlers return, and what becomes of it."""

from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import PurePosixPath
from typing import Annotated, Any
from uuid import UUID

from .models import Aliased, Image, Item, Scalars, User, UserIn, scalars


class Odd(Exception):
    pass


class Colour(Enum):
    RED = "red"


@dataclass
class Dated:
    when: datetime
    data: bytes = b"\xc3\xa4"


FOREIGN: dict[str, Any] = {
    "utc": datetime(2024, 2, 29, 10, tzinfo=UTC),
    "naive": {"at": datetime(2024, 2, 29, 10, 0, 0, 5)},
    "offset": [datetime(2024, 2, 29, 10, tzinfo=timezone(timedelta(hours=5, minutes=30)))],
    "time": {"at": (time(1, 2, tzinfo=UTC), time(3, 4, 5, 6), date(2024, 2, 29))},
    "span": {"long": timedelta(days=2, seconds=3.5), "short": -timedelta(milliseconds=1)},
    "bytes": {"deep": [{"er": b"text"}]},
    "bytes-unknown": {"data": b"\xff"},
    "decimal": [Decimal("1.50"), Decimal("3"), Decimal("1e3"), Decimal("-0.1")],
    "dataclass": {"dated": Dated(datetime(2024, 2, 29, tzinfo=UTC))},
    "uuid": {UUID(int=1): UUID(int=2)},
    "enum": {Colour.RED: [Colour.RED]},
    "keys": {7: 1, 2.5: 2, None: 3, True: 4, date(2024, 1, 1): 5},
    "sets": {"set": {1}, "deque": deque([timedelta(1)]), "frozen": frozenset((b"x",))},
    "ordered": OrderedDict(b=timedelta(1), a=1),
    "path": {"path": PurePosixPath("/a/b")},
}


def build(fw: Any) -> Any:
    app = fw.FastAPI()
    user = {"name": "ann", "email": "e", "password": "secret"}
    item = {"name": "fork", "price": 2, "tax": None}

    @app.get("/none")
    async def none():
        return None

    @app.get("/text")
    async def text():
        return "wörld"

    @app.get("/number")
    async def number():
        return 3

    @app.get("/true")
    def true():
        return True

    @app.get("/list")
    async def list_():
        return [1, "2", None]

    @app.get("/foreign/{name}")
    async def foreign(name: str):
        return FOREIGN[name]

    @app.get("/model")
    async def model():
        return Item(name="fork", price=1)

    @app.get("/models")
    async def models():
        return [Image(url="http://example.com/"), {"a": Image(url="http://example.com/b")}]

    @app.get("/scalars")
    async def scalars_():
        return Scalars(**scalars())

    @app.get("/model-filter", response_model=User)
    async def model_filter():
        return user

    @app.get("/model-filter-object", response_model=User)
    async def model_filter_object():
        return UserIn(**user)

    @app.get("/annotated")
    async def annotated() -> User:
        return UserIn(**user)

    @app.get("/annotated-list")
    async def annotated_list() -> list[User]:
        return [UserIn(**user), user]

    @app.get("/annotated-none")
    async def annotated_none() -> User | None:
        return None

    @app.get("/annotated-int")
    async def annotated_int() -> int:
        return "5"

    @app.get("/annotated-dict")
    async def annotated_dict() -> dict[str, int]:
        return {"a": 1}

    @app.get("/annotated-off", response_model=None)
    async def annotated_off() -> User:
        return user

    @app.get("/tuple/annotated")
    async def tuple_annotated() -> tuple[int, int]:
        return 5, 201

    @app.get("/tuple/model")
    def tuple_model() -> tuple[User, int]:
        return UserIn(**user), 201

    @app.get("/tuple/three")
    async def tuple_three() -> tuple[str, int, dict[str, str]]:
        return "a", 404, {"x-more": "yes"}

    @app.get("/tuple/bare")
    async def tuple_bare() -> tuple:
        return "a", 201

    @app.get("/tuple/optional")
    async def tuple_optional() -> tuple[int, int] | None:
        return 1, 201

    @app.get("/tuple/given/{kind}", response_model=tuple[int, ...])
    async def tuple_given(kind: str):
        return [1, 201] if kind == "list" else (1, 201)

    @app.get("/tuple/status", response_model=tuple[int, int], status_code=202)
    async def tuple_status():
        return 1, 201

    @app.get("/tuple/bad")
    async def tuple_bad() -> tuple[int, int]:
        return "a", 201

    @app.get("/bad-model", response_model=User)
    async def bad_model():
        return {"name": 1}

    @app.get("/bad-int")
    async def bad_int() -> int:
        return "x"

    @app.get("/exclude-unset", response_model=Item, response_model_exclude_unset=True)
    async def exclude_unset():
        return item

    @app.get("/exclude-none", response_model=Item, response_model_exclude_none=True)
    async def exclude_none():
        return item

    @app.get("/exclude-defaults", response_model=Item, response_model_exclude_defaults=True)
    async def exclude_defaults():
        return item

    @app.get("/include", response_model=Item, response_model_include={"name", "price"})
    async def include():
        return item

    @app.get("/exclude", response_model=Item, response_model_exclude={"tags", "unique"})
    async def exclude():
        return item

    @app.get("/exclude-list", response_model=Item, response_model_exclude=["tags"])
    async def exclude_list():
        return item

    @app.get("/alias", response_model=Aliased)
    async def alias():
        return Aliased(itemId=3)

    @app.get("/no-alias", response_model=Aliased, response_model_by_alias=False)
    async def no_alias():
        return {"itemId": 3}

    @app.get("/created", status_code=201)
    async def created():
        return {"made": True}

    @app.get("/nothing", status_code=204)
    async def nothing():
        return None

    @app.get("/not-modified", status_code=304)
    async def not_modified():
        return None

    @app.get("/status")
    async def status(response: fw.Response, n: int = 202):
        response.status_code = n
        return {"n": n}

    @app.get("/html", response_class=fw.HTMLResponse)
    async def html():
        return "<p>hi</p>"

    @app.get("/plain", response_class=fw.PlainTextResponse)
    async def plain():
        return "hi"

    @app.get("/plain-number", response_class=fw.PlainTextResponse)
    async def plain_number():
        return fw.PlainTextResponse("5", 203, {"x-kind": "n"})

    @app.get("/redirect")
    async def redirect():
        return fw.RedirectResponse("/text?a=b c")

    @app.get("/redirect-class", response_class=fw.RedirectResponse)
    async def redirect_class():
        return "/text"

    @app.get("/redirect-status", response_class=fw.RedirectResponse, status_code=302)
    async def redirect_status():
        return "https://example.com/ä"

    @app.get("/response")
    async def response() -> fw.Response:
        return fw.Response(b"\x00\x01", media_type="application/octet-stream")

    @app.get("/json-response")
    async def json_response():
        return fw.JSONResponse({"a": "ä"}, headers={"x-kind": "json"})

    @app.get("/json-charset")
    async def json_charset():
        return fw.JSONResponse({"a": 1}, media_type="application/problem+json")

    @app.get("/cookie")
    async def cookie():
        found = fw.JSONResponse({})
        found.set_cookie("a", "1", max_age=60, httponly=True, samesite="strict", domain="example.com")
        found.delete_cookie("b")
        return found

    @app.get("/cookie-parameter")
    async def cookie_parameter(response: fw.Response):
        response.set_cookie(key="c", value="x y", secure=True)
        return {"set": True}

    @app.get("/stream")
    async def stream():
        async def parts() -> AsyncIterator[bytes]:
            for n in range(3):
                yield b"part %d\n" % n

        return fw.StreamingResponse(parts(), media_type="text/plain")

    @app.get("/stream-sync")
    def stream_sync():
        return fw.StreamingResponse(iter(["a", "b"]), 201, {"x-kind": "s"})

    @app.get("/yield")
    async def yields() -> AsyncIterator[Image]:
        for n in range(2):
            yield Image(url=f"http://example.com/{n}")

    @app.get("/yield-sync")
    def yields_sync() -> Iterator[dict]:
        yield {"n": 1}
        yield {"n": 2}

    @app.get("/yield-raw", response_class=fw.StreamingResponse)
    async def yields_raw() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    @app.get("/error/{n}")
    async def error(n: int):
        raise fw.HTTPException(n)

    @app.get("/error-detail")
    async def error_detail():
        raise fw.HTTPException(418, {"k": [1, None]}, {"x-more": "m"})

    @app.get("/crash")
    async def crash():
        raise ValueError("crash")

    @app.get("/odd")
    async def odd():
        raise Odd

    @app.get("/odd-sync")
    def odd_sync():
        raise Odd

    @app.exception_handler(Odd)
    async def handle_odd(request: fw.Request, error: Odd):
        return fw.JSONResponse({"odd": request.url.path}, 499, {"x-kind": "odd"})

    @app.get("/background")
    async def background(tasks: fw.BackgroundTasks):
        tasks.add_task(lambda: None)
        return {"later": True}

    @app.get("/twice/{n}", name="two")
    @app.post("/twice/{n}")
    async def twice(request: fw.Request, n: int):
        return [request.method, str(request.app.url_path_for("two", n=n + 1))]

    @app.api_route("/several", methods=["GET", "POST", "PUT"])
    async def several(request: fw.Request):
        return request.method

    @app.head("/head")
    async def head():
        return fw.Response(headers={"x-kind": "head"})

    @app.options("/options")
    async def options():
        return fw.Response(headers={"x-kind": "options"})

    @app.trace("/trace")
    async def trace():
        return "traced"

    @app.get("/slash/")
    async def slash():
        return "slash"

    @app.get("/deprecated", deprecated=True)
    def deprecated(a: Annotated[int, fw.Query(deprecated=True)] = 1) -> int:
        return a

    return app


REQUESTS: list[tuple[str, dict[str, Any]]] = [
    (f"/{path}", {})
    for path in [
        "none",
        "text",
        "number",
        "true",
        "list",
        "model",
        "models",
        "scalars",
        "model-filter",
        "model-filter-object",
        "annotated",
        "annotated-list",
        "annotated-none",
        "annotated-int",
        "annotated-dict",
        "annotated-off",
        "tuple/annotated",
        "tuple/model",
        "tuple/three",
        "tuple/bare",
        "tuple/optional",
        "tuple/given/list",
        "tuple/given/tuple",
        "tuple/status",
        "tuple/bad",
        "bad-model",
        "bad-int",
        "exclude-unset",
        "exclude-none",
        "exclude-defaults",
        "include",
        "exclude",
        "exclude-list",
        "alias",
        "no-alias",
        "created",
        "nothing",
        "not-modified",
        "status",
        "status?n=404",
        "html",
        "plain",
        "plain-number",
        "redirect",
        "redirect-class",
        "redirect-status",
        "response",
        "json-response",
        "json-charset",
        "cookie",
        "cookie-parameter",
        "stream",
        "stream-sync",
        "yield",
        "yield-sync",
        "yield-raw",
        "error/404",
        "error/500",
        "error/204",
        "error/x",
        "error-detail",
        "crash",
        "odd",
        "odd-sync",
        "background",
        "twice/3",
        "several",
        "slash",
        "slash/",
        "text/",
        "deprecated",
        "deprecated?a=x",
        "nowhere",
    ]
]
REQUESTS += [
    (f"/{path}", {"method": method})
    for path, method in (
        ("twice/3", "POST"),
        ("several", "PUT"),
        ("several", "DELETE"),
        ("head", "HEAD"),
        ("head", "GET"),
        ("options", "OPTIONS"),
        ("trace", "TRACE"),
        ("text", "POST"),
        ("text", "HEAD"),
        ("slash", "POST"),
    )
]
REQUESTS += [(f"/foreign/{name}", {}) for name in FOREIGN]
