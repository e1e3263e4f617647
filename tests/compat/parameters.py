"""Parameters of every kind."""

# ruff: noqa: B008
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Json, StringConstraints

from .models import Colour, CommonHeaders, Cookies, Filter, Level, StrictFilter


def build(fw: Any) -> Any:
    app = fw.FastAPI()
    Query, Path, Header, Cookie = fw.Query, fw.Path, fw.Header, fw.Cookie

    @app.get("/path/int/{v}")
    async def p_int(v: int):
        return v

    @app.get("/path/float/{v}")
    async def p_float(v: float):
        return v

    @app.get("/path/str/{v}")
    async def p_str(v: str):
        return v

    @app.get("/path/bool/{v}")
    async def p_bool(v: bool):
        return v

    @app.get("/path/uuid/{v}")
    async def p_uuid(v: UUID):
        return v

    @app.get("/path/date/{v}")
    async def p_date(v: date):
        return v

    @app.get("/path/enum/{v}")
    async def p_enum(v: Colour):
        return {"v": v}

    @app.get("/path/level/{v}")
    async def p_level(v: Level):
        return v

    @app.get("/path/rest/{v:path}")
    async def p_rest(v: str):
        return v

    @app.get("/path/typed/{v:int}")
    async def p_typed(v: int):
        return v

    @app.get("/path/ge/{v}")
    async def p_ge(v: int = Path(ge=3, le=7, title="The number")):
        return v

    @app.get("/path/gt/{v}")
    async def p_gt(v: Annotated[float, Path(gt=0, lt=10.5)]):
        return v

    @app.get("/path/len/{v}")
    async def p_len(v: Annotated[str, Path(min_length=3, max_length=5)]):
        return v

    @app.get("/path/literal/{v}")
    async def p_literal(v: Literal["a", "b"]):
        return v

    @app.get("/path/two/{a}/and/{b}")
    async def p_two(a: int, b: str, c: int = 3):
        return [a, b, c]

    @app.get("/path/alias/{itemId}")
    async def p_alias(item_id: Annotated[int, Path(alias="itemId")]):
        return item_id

    @app.get("/q/int")
    async def q_int(v: int):
        return v

    @app.get("/q/float")
    async def q_float(v: float = 1.5):
        return v

    @app.get("/q/bool")
    async def q_bool(v: bool = False):
        return v

    @app.get("/q/str")
    async def q_str(v: str):
        return v

    @app.get("/q/none")
    async def q_none(v: int | None = None):
        return v

    @app.get("/q/optional")
    async def q_optional(v: str | None = None):
        return v

    @app.get("/q/union")
    async def q_union(v: int | str):
        return [v, type(v).__name__]

    @app.get("/q/required-none")
    async def q_required_none(v: int | None):
        return v

    @app.get("/q/untyped")
    async def q_untyped(v, w=3):
        return [v, w]

    @app.get("/q/date")
    async def q_date(v: date):
        return v

    @app.get("/q/datetime")
    async def q_datetime(v: datetime):
        return v

    @app.get("/q/time")
    async def q_time(v: time):
        return v

    @app.get("/q/span")
    async def q_span(v: timedelta):
        return str(v)

    @app.get("/q/decimal")
    async def q_decimal(v: Decimal):
        return str(v)

    @app.get("/q/uuid")
    async def q_uuid(v: UUID | None = None):
        return v

    @app.get("/q/enum")
    async def q_enum(v: Colour = Colour.blue):
        return v

    @app.get("/q/literal")
    async def q_literal(v: Literal["x", "y"] = "x"):
        return v

    @app.get("/q/ge")
    async def q_ge(v: int = Query(ge=3)):
        return v

    @app.get("/q/range")
    async def q_range(v: Annotated[int, Query(gt=0, lt=10, multiple_of=2)] = 4):
        return v

    @app.get("/q/pattern")
    async def q_pattern(v: Annotated[str, Query(pattern="^a+$", min_length=2, max_length=4)]):
        return v

    @app.get("/q/pattern-none")
    async def q_pattern_none(v: Annotated[str | None, Query(pattern="^a+$")] = None):
        return v

    @app.get("/q/default-old")
    async def q_default_old(v: str = Query("dflt", min_length=3), w: str = Query(...)):
        return [v, w]

    @app.get("/q/factory")
    async def q_factory(v: Annotated[list[int], Query(default_factory=lambda: [1, 2])]):
        return v

    @app.get("/q/alias")
    async def q_alias(v: Annotated[str, Query(alias="item-query")]):
        return v

    @app.get("/q/validation-alias")
    async def q_validation_alias(v: Annotated[str, Query(validation_alias="vv")] = "n"):
        return v

    @app.get("/q/choices")
    async def q_choices(v: Annotated[int, Query(validation_alias=AliasChoices("a", "b"))] = 0):
        return v

    @app.get("/q/list")
    async def q_list(v: list[str] = Query()):
        return v

    @app.get("/q/list-default")
    async def q_list_default(v: list[int] = Query([7, 8])):
        return v

    @app.get("/q/list-none")
    async def q_list_none(v: Annotated[list[str] | None, Query()] = None):
        return v

    @app.get("/q/set")
    async def q_set(v: Annotated[set[int], Query(max_length=2)]):
        return sorted(v)

    @app.get("/q/tuple")
    async def q_tuple(v: Annotated[tuple[int, str], Query()]):
        return v

    @app.get("/q/strict")
    async def q_strict(v: Annotated[int, Query(strict=True)] = 1):
        return v

    @app.get("/q/json")
    async def q_json(v: Annotated[Json[list[int]], Query()]):
        return v

    @app.get("/q/before")
    async def q_before(v: Annotated[str, BeforeValidator(lambda x: x.upper())] = "d"):
        return v

    @app.get("/q/after")
    async def q_after(v: Annotated[int, AfterValidator(lambda x: x * 2), Query(ge=1)]):
        return v

    @app.get("/q/constrained")
    async def q_constrained(v: Annotated[str, StringConstraints(to_lower=True, max_length=3)]):
        return v

    @app.get("/q/decimal-places")
    async def q_places(v: Annotated[Decimal, Query(max_digits=4, decimal_places=2)]):
        return str(v)

    @app.get("/q/nan")
    async def q_nan(v: Annotated[float, Query(allow_inf_nan=False)]):
        return v

    @app.get("/q/model")
    async def q_model(f: Annotated[Filter, Query()]):
        return f

    @app.get("/q/model-strict")
    async def q_model_strict(f: Annotated[StrictFilter, Query()]):
        return f

    @app.get("/q/many")
    async def q_many(a: int, b: int = Query(ge=5), c: str = "c", d: bool = True):
        return [a, b, c, d]

    @app.get("/h/one")
    async def h_one(user_agent: Annotated[str | None, Header()] = None):
        return user_agent

    @app.get("/h/required")
    async def h_required(x_token: Annotated[int, Header(ge=2)]):
        return x_token

    @app.get("/h/raw")
    async def h_raw(strange_header: Annotated[str | None, Header(convert_underscores=False)] = None):
        return strange_header

    @app.get("/h/list")
    async def h_list(x_tag: Annotated[list[str] | None, Header()] = None):
        return x_tag

    @app.get("/h/alias")
    async def h_alias(v: Annotated[str, Header(alias="X-Odd")]):
        return v

    @app.get("/h/model")
    async def h_model(h: Annotated[CommonHeaders, Header()]):
        return h

    @app.get("/c/one")
    async def c_one(ads_id: Annotated[str | None, Cookie()] = None):
        return ads_id

    @app.get("/c/required")
    async def c_required(n: int = Cookie(gt=1)):
        return n

    @app.get("/c/model")
    async def c_model(c: Annotated[Cookies, Cookie()]):
        return c

    @app.get("/request/{v}")
    async def request_(request: fw.Request, v: str):
        return {
            "method": request.method,
            "path": request.url.path,
            "query": dict(request.query_params),
            "params": dict(request.path_params),
            "header": request.headers.get("x-a"),
            "cookies": request.cookies,
            "base": str(request.base_url),
            "url": str(request.url),
        }

    return app


REQUESTS: list[tuple[str, dict[str, Any]]] = []
for _path in (
    "5",
    "-3",
    "x",
    "5.0",
    "1e3",
    "true",
    "%20",
    "a%2Fb",
    "00000000-0000-0000-0000-000000000007",
    "2024-02-29",
    "red",
    "1",
    "a",
    "abcdef",
):
    for _kind in (
        "int",
        "float",
        "str",
        "bool",
        "uuid",
        "date",
        "enum",
        "level",
        "rest",
        "typed",
        "ge",
        "gt",
        "len",
        "literal",
        "alias",
    ):
        REQUESTS.append((f"/path/{_kind}/{_path}", {}))
REQUESTS += [("/path/two/1/and/b?c=4", {}), ("/path/two/x/and/b?c=y", {}), ("/path/rest/a/b/c", {})]
for _query in (
    "",
    "v=5",
    "v=x",
    "v=",
    "v=5&v=6",
    "v=aa",
    "v=aaaaaa",
    "v=true",
    "v=4.5",
    "v=2024-02-29",
    "v=2024-02-29T10:00:00Z",
    "v=10:20",
    "v=P1DT2H",
    "v=90",
    "v=red",
    "v=%5B1%2C2%5D",
    "v=nan",
    "v=12.345",
    "w=z",
    "item-query=1",
    "vv=2",
    "b=3",
    "a=1&b=2",
    "a=1&b=7&d=no",
    "limit=5&tags=a&tags=b",
    "limit=0&order=x",
    "limit=3&more=1",
    "v=%ff",
    "v=a+b%26",
    "V=3",
):
    for _name in [
        "int",
        "float",
        "bool",
        "str",
        "none",
        "optional",
        "union",
        "required-none",
        "untyped",
        "date",
        "datetime",
        "time",
        "span",
        "decimal",
        "uuid",
        "enum",
        "literal",
        "ge",
        "range",
        "pattern",
        "pattern-none",
        "default-old",
        "factory",
        "alias",
        "validation-alias",
        "choices",
        "list",
        "list-default",
        "list-none",
        "set",
        "tuple",
        "strict",
        "json",
        "before",
        "after",
        "constrained",
        "decimal-places",
        "nan",
        "model",
        "model-strict",
        "many",
    ]:
        REQUESTS.append((f"/q/{_name}?{_query}" if _query else f"/q/{_name}", {}))
for _headers in (
    [],
    [("x-token", "5")],
    [("x-token", "1")],
    [("x-token", "z")],
    [("x-tag", "a"), ("x-tag", "b")],
    [("strange_header", "1")],
    [("strange-header", "1")],
    [("X-Odd", "o")],
    [("x-token", "5"), ("save-data", "on")],
    [("x-token", "5"), ("x_token", "6")],
):
    for _name in ("one", "required", "raw", "list", "alias", "model"):
        REQUESTS.append((f"/h/{_name}", {"headers": _headers}))
for _cookie in (None, "ads_id=1", "n=5", "n=1", "n=x", "session=abc; theme=dark", "theme=x", 'session="a b"'):
    for _name in ("one", "required", "model"):
        REQUESTS.append((f"/c/{_name}", {"headers": [("cookie", _cookie)] if _cookie else []}))
REQUESTS += [
    ("/request/v%20w?a=1&b=2", {"headers": [("x-a", "1"), ("cookie", "k=v")]}),
    ("/nowhere", {}),
    ("/q/int", {"method": "POST"}),
    ("/q/int", {"method": "HEAD"}),
    ("/q/int", {"method": "OPTIONS"}),
    ("/q/int/", {}),
]
