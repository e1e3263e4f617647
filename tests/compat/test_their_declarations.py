"""FastAPI's own declarations in an application that has changed its imports only in part, and decorated handlers."""

import asyncio
import functools
import inspect
from typing import Annotated, Any, NewType

import fastapi
import fastapi.security
import httpx
import pytest
from pydantic import AfterValidator, Field
from typing_extensions import TypeAliasType

import covet
from covet.testing import LiveServer

from .frameworks import framework
from .test_details import client_of

PACKAGES = pytest.mark.parametrize("package", ["fastapi", "covet"])


def refuse() -> None:
    raise fastapi.HTTPException(401)


class Limited(fastapi.params.Depends):
    """As fastapi-filter derives it."""


bearer = fastapi.security.OAuth2PasswordBearer(tokenUrl="token")


async def anybody(u: Annotated[object, fastapi.Depends(refuse)] = None) -> str:
    return "secret"


async def as_default(u: str = fastapi.Depends(refuse)) -> str:
    return "secret"


async def with_scopes(u: str = fastapi.Security(refuse, scopes=["x"])) -> str:
    return "secret"


async def of_a_subclass(u: Annotated[str, Limited(refuse)]) -> str:
    return "secret"


async def by_scheme(token: Annotated[str, fastapi.Depends(bearer)]) -> str:
    return token


async def beneath(u: Annotated[str, fastapi.Depends(by_scheme)]) -> str:
    return u


async def checked(q: int = fastapi.Query(5, ge=7, alias="n")) -> int:
    return q


async def checked_in_annotation(q: Annotated[str, fastapi.Query(max_length=2, pattern="^a")] = "a") -> str:
    return q


async def a_field(x_token: Annotated[str | None, fastapi.Header()] = None, c: str = fastapi.Cookie("no")) -> Any:
    return [x_token, c]


async def a_raw_field(x_token: Annotated[str | None, fastapi.Header(convert_underscores=False)] = None) -> Any:
    return x_token


async def a_body(v: Annotated[int, fastapi.Body(embed=True, gt=1)]) -> int:
    return v


async def a_form(v: Annotated[str, fastapi.Form()], w: Annotated[bytes, fastapi.File()] = b"") -> Any:
    return [v, len(w)]


async def with_types(r: fastapi.Request, b: fastapi.BackgroundTasks, p: fastapi.Response) -> Any:
    p.headers["x-seen"] = "yes"
    b.add_task(int)
    return r.url.path


HANDLERS = (
    anybody, as_default, with_scopes, of_a_subclass, by_scheme, beneath, checked, checked_in_annotation, a_field,
    a_raw_field, with_types,
)  # fmt: skip
QUERIES = ("", "?n=1", "?n=9", "?q=abc", "?q=b", "?u=x", "?q=a")
HEADERS: tuple[dict[str, str], ...] = (
    {}, {"authorization": "Bearer t", "x-token": "1", "cookie": "c=2"}, {"x_token": "3"},
)  # fmt: skip


def answers(package: str, build: Any) -> Any:
    fw = framework(package)
    app = fw.FastAPI(title="same")
    requests = build(fw, app)
    client = client_of(app, package)
    found = []
    for method, target, options in requests:
        response = client.request(method, target, **options)
        found.append((method, target, response.status_code, response.content, response.headers.get("x-seen")))
    return [*found, client.get("/openapi.json").json()]


def test_they_count() -> None:
    def build(fw: Any, app: Any) -> Any:
        for handler in HANDLERS:
            app.get(f"/{handler.__name__}")(handler)
        app.post("/body")(a_body)
        app.post("/form")(a_form)
        app.get("/route", dependencies=[fastapi.Depends(refuse)])(lambda: "secret")
        router = fw.APIRouter(dependencies=[fastapi.Depends(refuse)])
        router.get("/router")(lambda: "secret")
        app.include_router(router)
        other = fw.APIRouter()
        other.get("/included")(lambda: "secret")
        app.include_router(other, dependencies=[fastapi.Depends(refuse)])
        requests = [
            ("GET", f"/{handler.__name__}{query}", {"headers": headers})
            for handler in HANDLERS
            for query in QUERIES
            for headers in HEADERS
        ]
        bodies: list[Any] = [{"json": {"v": 1}}, {"json": {"v": 2}}, {"json": 2}]
        forms: list[Any] = [{"data": {"v": "1"}}, {"data": {"v": "1"}, "files": {"w": b"abc"}}, {}]
        requests += [("POST", "/body", body) for body in bodies] + [("POST", "/form", form) for form in forms]
        return requests + [("GET", path, {}) for path in ("/route", "/router", "/included")]

    theirs, ours = answers("fastapi", build), answers("covet", build)
    for one, other in zip(theirs, ours, strict=True):
        assert one == other


@PACKAGES
def test_decorators_see_arguments_by_name(package: str) -> None:
    fw = framework(package)
    app = fw.FastAPI()

    def owner_only(handler: Any) -> Any:
        @functools.wraps(handler)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            assert not args
            if kwargs.get("user_id") != 1:
                raise fw.HTTPException(403)
            return await handler(*args, **kwargs)

        return wrapper

    def named(handler: Any) -> Any:
        @functools.wraps(handler)
        def wrapper(**kwargs: Any) -> Any:
            return sorted(kwargs)

        return wrapper

    def asks(handler: Any) -> Any:
        @functools.wraps(handler)
        async def wrapper(*args: Any, request: fw.Request, **kwargs: Any) -> Any:
            return [request.url.path, await handler(*args, request=request, **kwargs)]

        return wrapper

    async def signed(**kwargs: Any) -> Any:
        return sorted(kwargs.items())

    only = inspect.Parameter
    signed.__signature__ = inspect.Signature([only("b", only.POSITIONAL_OR_KEYWORD, annotation=int, default=2)])  # type: ignore[attr-defined]

    @app.get("/users/{user_id}")
    @owner_only
    async def read_user(user_id: int, q: str = "") -> str:
        return f"secret of {user_id}"

    @app.get("/named/{a}")
    @named
    def read_named(a: int, b: str = "") -> Any:
        return None

    @app.get("/asks")
    @asks
    async def read_asks(request: fw.Request, a: int = 1) -> Any:
        return a

    app.get("/signed")(signed)
    client = client_of(app, package)
    assert [client.get(f"/users/{n}").status_code for n in (1, 2)] == [200, 403]
    assert client.get("/named/1").json() == ["a", "b"]
    assert client.get("/asks?a=3").json() == ["/asks", 3]
    assert client.get("/signed?b=5").json() == [["b", 5]]


@PACKAGES
def test_arguments_have_any_name(package: str) -> None:
    fw = framework(package)
    app = fw.FastAPI()

    @app.get("/blocking")
    def blocking(func: int = 1, self: int = 2, x: int = 3, target: int = 4) -> Any:
        return [func, self, x, target]

    @app.get("/async")
    async def asynchronous(func: int = 1, x: int = 2, v1: int = 3, general: int = 4) -> Any:
        return [func, x, v1, general]

    @app.get("/in-order")
    async def in_order(a: int = 1, /) -> Any:
        return a

    client = client_of(app, package, raise_server_exceptions=False)
    assert client.get("/blocking?func=5").json() == [5, 2, 3, 4]
    assert client.get("/async?v1=5").json() == [1, 2, 5, 4]
    assert client.get("/in-order").status_code == 500


def test_the_engine_gives_arguments_by_name() -> None:
    app = covet.CovetPy()

    def owner_only(handler: Any) -> Any:
        @functools.wraps(handler)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            if kwargs["user_id"] != 1 or kwargs["request"].method != "GET":
                raise covet.HTTPException(403)
            return await handler(*args, **kwargs)

        return wrapper

    @app.get("/users/{user_id}")
    @owner_only
    async def read_user(user_id: int, request: covet.Request) -> Any:
        return user_id

    @app.get("/blocking/{func}")
    def blocking(func: int) -> Any:
        return func

    with LiveServer(app) as server, httpx.Client(base_url=server.url) as client:
        assert [client.get(f"/users/{n}").status_code for n in (1, 2)] == [200, 403]
        assert client.get("/blocking/3").json() == 3


@PACKAGES
def test_the_type_of_what_a_dependency_gives_need_not_be_known(package: str) -> None:
    fw = framework(package)
    app = fw.FastAPI()

    def give() -> str:
        return "session"

    async def read(db: Any = fw.Depends(give), q: int = 1) -> Any:  # noqa: B008
        return [db, q]

    read.__annotations__["db"] = "Session"
    app.get("/")(read)
    assert client_of(app, package).get("/").json() == ["session", 1]


def test_they_count_wherever_they_stand() -> None:
    named: Any = TypeAliasType("named", Annotated[str, fastapi.Depends(refuse)])  # type: ignore[misc]
    number: Any = TypeAliasType("number", Annotated[int, fastapi.Query(ge=7)])  # type: ignore[misc]

    async def by_name(u: named) -> Any:
        return "secret"

    async def number_by_name(q: number) -> Any:
        return q

    async def with_examples(
        q: Annotated[int, fastapi.Query(openapi_examples={"a": {"value": 1}}, title="T", deprecated=True)] = 1,
        r: Annotated[int, fastapi.Query(json_schema_extra={"x": 1})] = 2,
    ) -> Any:
        return [q, r]

    def build(fw: Any, app: Any) -> Any:
        for handler in (by_name, number_by_name, with_examples):
            app.get(f"/{handler.__name__}")(handler)
        return [
            ("GET", f"/{name}{query}", {})
            for name in ("by_name", "number_by_name", "with_examples")
            for query in ("", "?u=x", "?q=1", "?q=9")
        ]

    assert answers("fastapi", build) == answers("covet", build)


@pytest.mark.filterwarnings("ignore:`example` has been deprecated")
def test_their_example_is_in_the_document() -> None:
    async def read(q: Annotated[int, fastapi.Query(example=3)] = 1) -> Any:
        return q

    def build(fw: Any, app: Any) -> Any:
        app.get("/")(read)
        return []

    assert answers("fastapi", build) == answers("covet", build)


def test_their_uploads_are_ours() -> None:
    async def take(
        a: fastapi.UploadFile,
        b: fastapi.UploadFile | None = None,
        c: list[fastapi.UploadFile] = fastapi.File([]),  # noqa: B008
    ) -> Any:
        return [(await a.read()).decode(), b and b.filename, [each.filename for each in c]]

    def build(fw: Any, app: Any) -> Any:
        app.post("/")(take)
        files = [("a", ("n", b"xx")), ("b", ("m", b"y")), ("c", ("o", b"z")), ("c", ("p", b"z"))]
        return [("POST", "/", {"files": files}), ("POST", "/", {"files": files[:1]}), ("POST", "/", {})]

    assert answers("fastapi", build) == answers("covet", build)


@PACKAGES
def test_a_limit_of_theirs_counts_for_all_that_share_it(package: str) -> None:
    fw = framework(package)
    app = fw.FastAPI()
    under_way: list[int] = []
    most = []

    async def limited() -> None:
        under_way.append(1)
        most.append(len(under_way))
        await asyncio.sleep(0.01)
        under_way.pop()

    shared = fastapi.Depends(limited, max_concurrency=1)

    @app.get("/a")
    async def a(x: Any = shared) -> None: ...

    @app.get("/b")
    async def b(x: Annotated[Any, shared]) -> None: ...

    async def ask() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            await asyncio.gather(*(client.get(path) for path in ("/a", "/b", "/a", "/b")))

    asyncio.run(ask())
    assert most == [1, 1, 1, 1]


@PACKAGES
@pytest.mark.parametrize("handled", [False, True])
def test_their_exceptions_are_answers(package: str, handled: bool) -> None:
    fw = framework(package)
    app = fw.FastAPI()

    async def mine(request: Any, error: Any) -> Any:
        return fw.PlainTextResponse(str(len(error.errors())), 418)

    if handled:
        app.exception_handler(fastapi.exceptions.RequestValidationError)(mine)

    @app.get("/raised")
    async def raised() -> None:
        raise fastapi.exceptions.RequestValidationError([{"loc": ["a"], "msg": "m", "type": "t"}])

    @app.get("/declared")
    async def declared(q: int) -> None: ...

    @app.websocket("/socket")
    async def socket(websocket: fastapi.WebSocket) -> None:
        await websocket.accept()
        raise fastapi.WebSocketException(1007, "no")

    client = client_of(app, package)
    raises = client.get("/raised")
    assert raises.status_code == client.get("/declared?q=a").status_code == (418 if handled else 422)
    assert raises.text == ("1" if handled else '{"detail":[{"loc":["a"],"msg":"m","type":"t"}]}')
    with client.websocket_connect("/socket") as connection, pytest.raises(Exception) as caught:
        connection.receive_text()
    assert (caught.value.code, caught.value.reason) == (1007, "no")  # type: ignore[attr-defined]


def never(value: Any) -> Any:
    raise ValueError("no")


@PACKAGES
@pytest.mark.parametrize("whose", ["field", "own", "checked", "items", "new type"])
@pytest.mark.parametrize("required", [True, False])
def test_constraints_within_a_type_count(package: str, whose: str, required: bool) -> None:
    fw = framework(package)
    big = Annotated[int, Field(ge=7)]
    annotation: Any = {
        "field": big | None,
        "own": Annotated[int, fw.Query(ge=7)] | None,
        "checked": Annotated[int, AfterValidator(never)] | None,
        "items": Annotated[list[big], fw.Query()],  # type: ignore[valid-type]
        "new type": NewType("N", big),  # type: ignore[valid-newtype]
    }[whose]
    app = fw.FastAPI()

    async def read(q: Any) -> Any:
        return q

    read.__annotations__["q"] = annotation
    if not required:
        read.__defaults__ = (None,)
    app.get("/")(read)
    client = client_of(app, package)
    assert client.get("/?q=1").status_code == 422
    assert client.get("/?q=8").status_code == (422 if whose == "checked" else 200)
    assert client.get("/").status_code == (422 if required else 200)
