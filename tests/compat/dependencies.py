"""Dependencies of every kind."""

# ruff: noqa: B008
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Annotated, Any

from .models import Item


class Failing(Exception):
    pass


def build(fw: Any) -> Any:
    Depends, HTTPException, Header, Security = fw.Depends, fw.HTTPException, fw.Header, fw.Security
    events: list[str] = []
    calls = {"n": 0}

    async def need_token(x_key: Annotated[str | None, Header()] = None) -> None:
        if x_key == "bad":
            raise HTTPException(403, "No entry", headers={"x-more": "1"})

    app = fw.FastAPI(dependencies=[Depends(need_token)])

    def common(q: str | None = None, skip: int = 0, limit: int = 100):
        return {"q": q, "skip": skip, "limit": limit}

    async def counted():
        calls["n"] += 1
        return calls["n"]

    async def twice_a(n: int = Depends(counted)):
        return n

    async def twice_b(n: int = Depends(counted)):
        return n

    async def fresh(n: int = Depends(counted, use_cache=False)):
        return n

    class Page:
        def __init__(self, page: int = 1, size: int = fw.Query(10, le=50)):
            self.page, self.size = page, size

    class Checker:
        def __init__(self, word: str):
            self.word = word

        def __call__(self, q: str = ""):
            return self.word in q

    class AsyncChecker:
        async def __call__(self, q: str = ""):
            return q.upper()

    async def opened() -> AsyncIterator[str]:
        events.append("open")
        try:
            yield "resource"
        except Failing:
            events.append("failed")
            raise HTTPException(418, "was failing") from None
        finally:
            events.append("close")

    def opened_sync() -> Iterator[int]:
        events.append("open sync")
        yield 1
        events.append("close sync")

    async def nested(a: str = Depends(opened), b: int = Depends(opened_sync)) -> AsyncIterator[str]:
        events.append("open nested")
        yield f"{a}{b}"
        events.append("close nested")

    async def needs_body(item: Item):
        return item.name

    async def set_header(response: fw.Response, status: int | None = None):
        response.headers["x-kind"] = "set"
        response.set_cookie("from", "dependency")
        if status:
            response.status_code = status

    async def scopes(security_scopes: fw.SecurityScopes):
        return [security_scopes.scopes, security_scopes.scope_str]

    async def scoped(found: list = Security(scopes, scopes=["inner"])):
        return found

    async def required(a: int, b: int = fw.Query(ge=2)):
        return a + b

    async def failing_dep():
        raise HTTPException(401, {"why": ["this"]})

    async def crash():
        raise RuntimeError("crash")

    async def remember(background_tasks: fw.BackgroundTasks):
        background_tasks.add_task(events.append, "background")

    def add(a: int, b: int):
        return a + b

    @app.get("/common")
    async def r_common(c: dict = Depends(common)):
        return c

    @app.get("/common-annotated")
    def r_common_annotated(c: Annotated[dict, Depends(common)]):
        return c

    @app.get("/cached")
    async def r_cached(a: int = Depends(twice_a), b: int = Depends(twice_b)):
        return a == b

    @app.get("/fresh")
    async def r_fresh(a: int = Depends(fresh), b: int = Depends(counted)):
        return a == b

    @app.get("/class")
    async def r_class(p: Page = Depends(Page)):
        return [p.page, p.size]

    @app.get("/class-short")
    async def r_class_short(p: Annotated[Page, Depends()]):
        return [p.page, p.size]

    @app.get("/object")
    async def r_object(found: bool = Depends(Checker("bar"))):
        return found

    @app.get("/object-async")
    async def r_object_async(found: str = Depends(AsyncChecker())):
        return found

    @app.get("/partial")
    async def r_partial(n: int = Depends(partial(add, 2))):
        return n

    @app.get("/lambda")
    async def r_lambda(n: int = Depends(lambda: 3)):
        return n

    @app.get("/yield")
    async def r_yield(a: str = Depends(opened)):
        return a

    @app.get("/yield-nested")
    async def r_yield_nested(a: str = Depends(nested)):
        return a

    @app.get("/yield-fails")
    async def r_yield_fails(a: str = Depends(opened)):
        raise Failing

    @app.get("/yield-http")
    async def r_yield_http(a: str = Depends(opened)):
        raise HTTPException(404, "nothing")

    @app.get("/yield-function")
    async def r_yield_function(a: str = Depends(opened, scope="function")):
        return a

    @app.get("/events")
    async def r_events():
        found = list(events)
        events.clear()
        return found

    @app.post("/body")
    async def r_body(name: str = Depends(needs_body)):
        return name

    @app.post("/body-two")
    async def r_body_two(item: Item, name: str = Depends(needs_body)):
        return [item.price, name]

    @app.post("/body-other")
    async def r_body_other(other: Annotated[int, fw.Body()], name: str = Depends(needs_body)):
        return [other, name]

    @app.get("/headers", dependencies=[Depends(set_header)])
    async def r_headers():
        return {}

    @app.get("/headers-own", dependencies=[Depends(set_header)])
    async def r_headers_own(response: fw.Response):
        response.headers["x-process"] = "own"
        return {}

    @app.get("/headers-response", dependencies=[Depends(set_header)])
    async def r_headers_response():
        return fw.JSONResponse({"a": 1}, 202)

    @app.get("/scopes")
    async def r_scopes(found: list = Security(scoped, scopes=["outer", "more"])):
        return found

    @app.get("/required")
    async def r_required(c: int, n: int = Depends(required)):
        return c + n

    @app.get("/required-twice")
    async def r_required_twice(n: int = Depends(required), m: int = Depends(required)):
        return n + m

    @app.get("/failing")
    async def r_failing(x: int, n: Any = Depends(failing_dep)):
        return n

    @app.get("/crash")
    async def r_crash(n: Any = Depends(crash)):
        return n

    @app.get("/route-level", dependencies=[Depends(required)])
    async def r_route_level():
        return "here"

    @app.get("/background")
    async def r_background(background_tasks: fw.BackgroundTasks, _: Any = Depends(remember)):
        background_tasks.add_task(events.append, "own background")
        return "queued"

    @app.get("/request")
    async def r_request(request: fw.Request, c: dict = Depends(common)):
        return [request.url.path, c["q"]]

    @app.get("/overridden")
    async def r_overridden(c: Any = Depends(failing_dep)):
        return c

    async def instead(z: int = 9):
        return {"instead": z}

    @app.post("/override")
    async def r_override():
        app.dependency_overrides[failing_dep] = instead

    @app.post("/override-end")
    async def r_override_end():
        app.dependency_overrides = {}

    return app


EVENTS = ("/events", {})
REQUESTS: list[tuple[str, dict[str, Any]]] = []
for _path in [
    "common",
    "common-annotated",
    "cached",
    "fresh",
    "class",
    "class-short",
    "object",
    "object-async",
    "partial",
    "lambda",
    "yield",
    "yield-nested",
    "yield-fails",
    "yield-http",
    "yield-function",
    "headers",
    "headers-own",
    "headers-response",
    "scopes",
    "required",
    "required-twice",
    "failing",
    "crash",
    "route-level",
    "background",
    "request",
    "overridden",
]:
    for _query in (
        "",
        "q=bar&skip=2&limit=5",
        "limit=x",
        "page=2&size=99",
        "b=3",
        "b=x",
        "a=1&b=2&c=3",
        "a=x&b=1",
        "status=202",
        "x=1",
    ):
        REQUESTS += [(f"/{_path}?{_query}", {}), EVENTS]
REQUESTS += [("/common", {"headers": {"x-key": "bad"}}), ("/nowhere", {"headers": {"x-key": "bad"}})]
for _path in ("body", "body-two", "body-other"):
    for _body in (
        {"name": "fork", "price": 2},
        {"item": {"name": "fork", "price": 2}, "other": 3},
        {},
        [1],
        {"item": 1, "other": "x"},
    ):
        REQUESTS.append((f"/{_path}", {"method": "POST", "json": _body}))
REQUESTS += [
    ("/override", {"method": "POST"}),
    ("/overridden", {}),
    ("/overridden?z=3", {}),
    ("/overridden?z=x", {}),
    ("/failing?x=1", {}),
    ("/override-end", {"method": "POST"}),
    ("/overridden", {}),
]
