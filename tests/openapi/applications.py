"""Applications that FastAPI and CovetPy must describe alike; each function makes one with either framework."""

# ruff: noqa: B006, B008, UP042
# mypy: ignore-errors
import uuid
from collections.abc import AsyncIterable, Iterable
from dataclasses import dataclass
from dataclasses import field as member
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import PurePath
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypeVar

from pydantic import (
    AfterValidator,
    AnyUrl,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    RootModel,
    SecretStr,
    StringConstraints,
    WithJsonSchema,
    computed_field,
)
from starlette.responses import JSONResponse as StarletteJSONResponse
from typing_extensions import TypedDict

T = TypeVar("T")


class Colour(str, Enum):
    """A colour."""

    red = "red"
    blue = "blue"


class Level(IntEnum):
    low = 1
    high = 2


class Area(Enum):
    users = "users"
    items = "items"


class Image(BaseModel):
    """A picture.

    With more words.
    \f
    Not these.
    """

    url: AnyUrl
    name: str = Field("none", examples=["front"], description="Its name")


class Item(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "fork", "price": 2}]})

    name: str = Field(min_length=2, max_length=20, pattern="^[a-z]+$")
    price: Annotated[Decimal, Field(gt=0, le=1000, decimal_places=2)]
    tax: float | None = None
    tags: list[str] = []
    unique: set[int] = Field(default_factory=set)
    image: Image | None = None
    when: datetime | None = None
    colour: Colour = Colour.red
    secret: SecretStr | None = None
    more: dict[str, int] = {}


class Node(BaseModel):
    value: int
    children: "list[Node]" = []
    parent: "Node | None" = None


class Page(BaseModel, Generic[T]):
    items: list[T]
    total: int = Field(0, ge=0)


class Square(BaseModel):
    side: float
    colour: Colour | None = None

    @computed_field
    @property
    def size(self) -> float:
        """How large it is."""
        return self.side**2


class Names(RootModel[list[str]]):
    pass


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str] = []


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]


class Renamed(BaseModel):
    model_config = ConfigDict(populate_by_name=True, title="Renamed thing", extra="forbid")

    item_id: int = Field(alias="itemId", title="Number")
    kind: str = Field("plain", serialization_alias="kindOf", deprecated=True)
    two: str = Field("2", validation_alias="zwei")
    hidden: int = Field(1, exclude=True)


class Filter(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: int = Field(100, gt=0, le=100, description="How many")
    order_by: Literal["created", "updated"] = Field("created", alias="orderBy")
    tags: list[str] = Field([], max_length=3)
    since: date | None = Field(None, deprecated=True, examples=["2024-01-01"])
    must: Colour


class Headers(BaseModel):
    x_token: str = Field(min_length=3)
    x_trace: list[int] = []
    own: str | None = Field(None, alias="X-Own")


class Cookies(BaseModel):
    session_id: str
    tracker: str | None = Field(None, title="Tracks")


class Credentials(BaseModel):
    user_name: str = Field(alias="userName")
    password: SecretStr
    remember: bool = False


@dataclass
class Point:
    """A place."""

    x: int
    y: int = 0
    names: list[str] = member(default_factory=list)
    near: "Point | None" = None


class Movie(TypedDict):
    """A film."""

    title: str
    year: NotRequired[int]


class Pair(NamedTuple):
    left: int
    right: str = "r"


Short = Annotated[str, StringConstraints(max_length=5, strip_whitespace=True)]
Even = Annotated[int, AfterValidator(lambda value: value), WithJsonSchema({"type": "integer", "multipleOf": 2})]


def parameters(fw: Any) -> Any:
    app = fw.FastAPI()

    @app.get("/hidden/{n}/{shown}")
    async def hidden_path(n: Annotated[int, fw.Path(include_in_schema=False)]) -> None: ...

    @app.get("/path/{n}/{name}/{colour}/{rest:path}")
    async def path(
        n: Annotated[int, fw.Path(title="The number", ge=1, lt=1000, description="Which")],
        name: Annotated[str, fw.Path(min_length=2, max_length=5, pattern="^a", examples=["ab"], deprecated=True)],
        colour: Colour,
        rest: str,
    ) -> None: ...

    @app.get("/kinds/{a}/{b}/{c}")
    async def kinds(
        a: uuid.UUID,
        b: float,
        c: bool,
        d: datetime,
        e: date,
        f: time = time(1, 2),
        g: timedelta = timedelta(seconds=90),
        h: Decimal = Decimal("1.5"),
        i: bytes = b"abc",
        j: Level = Level.low,
        k: Literal["x", "y", 3] = "x",
        m: Area | None = None,
        n: int | str = 1,
        o: Short = "s",
        p: Even = 2,
        q: PurePath | None = None,
        r: AnyUrl | None = None,
    ) -> None: ...

    @app.get("/query")
    async def query(
        needed: str,
        ranged: Annotated[float, fw.Query(gt=0, multiple_of=0.5, allow_inf_nan=False)],
        listed: Annotated[list[int], fw.Query(min_length=1, max_length=3)],
        unique: Annotated[set[str], fw.Query()] = {"a"},
        pair: Annotated[tuple[int, str] | None, fw.Query()] = None,
        aliased: Annotated[str, fw.Query(alias="aliased-name")] = "a",
        validated: Annotated[str, fw.Query(validation_alias="other_name")] = "b",
        titled: str = fw.Query("c", title="A title", description="A *description*"),
        examples: str = fw.Query("d", examples=["one", "two"]),
        shown: str = fw.Query("e", openapi_examples={"one": {"summary": "First", "value": "1"}, "two": {"value": 2}}),
        old: str = fw.Query("f", deprecated=True),
        hidden: str = fw.Query("g", include_in_schema=False),
        extra: str = fw.Query("h", json_schema_extra={"x-more": 1, "format": "own"}),
        json: Annotated[Json[list[int]] | None, fw.Query()] = None,
        made: Annotated[list[str], fw.Query(default_factory=list)] = ...,
        optional: str | None = None,
        required_but_none: Annotated[str | None, fw.Query()] = ...,
        flag: bool = False,
    ) -> None: ...

    @app.get("/headers")
    async def headers(
        user_agent: Annotated[str | None, fw.Header()] = None,
        x_list: Annotated[list[str] | None, fw.Header()] = None,
        under_score: Annotated[str, fw.Header(convert_underscores=False)] = "u",
        named: Annotated[str, fw.Header(alias="X-Named", min_length=2)] = "nn",
        cookie: Annotated[str, fw.Cookie(min_length=2, description="Crumbs", examples=["cc"])] = "cc",
        ad_id: str | None = fw.Cookie(None, alias="ad-id"),
    ) -> None: ...

    return app


def models(fw: Any) -> Any:
    app = fw.FastAPI()

    @app.get("/query")
    async def query(filter: Annotated[Filter, fw.Query()]) -> None: ...

    @app.get("/maybe")
    async def maybe(filter: Annotated[Filter | None, fw.Query()] = None) -> None: ...

    @app.get("/headers")
    async def headers(headers: Annotated[Headers, fw.Header()]) -> None: ...

    @app.get("/headers-as-they-are")
    async def unconverted(headers: Annotated[Headers, fw.Header(convert_underscores=False)]) -> None: ...

    @app.get("/cookies")
    async def cookies(cookies: Annotated[Cookies, fw.Cookie()]) -> None: ...

    @app.post("/form")
    async def form(form: Annotated[Credentials, fw.Form()]) -> None: ...

    @app.post("/form-with-type")
    async def typed(form: Annotated[Credentials, fw.Form(media_type="multipart/form-data")]) -> None: ...

    @app.get("/hidden")
    async def hidden(filter: Annotated[Filter, fw.Query(include_in_schema=False)]) -> None: ...

    return app


def bodies(fw: Any) -> Any:
    app = fw.FastAPI()

    @app.post("/one")
    async def one(item: Item) -> Item: ...

    @app.post("/two")
    async def two(item: Item, image: Image) -> None: ...

    @app.post("/two-one-optional")
    async def two_one_optional(item: Item | None = None, image: Image | None = None) -> None: ...

    @app.put("/embedded/{n}")
    async def embedded(n: int, item: Annotated[Item, fw.Body(embed=True, description="Embedded")]) -> None: ...

    @app.post("/mixed")
    async def mixed(
        item: Item,
        number: Annotated[int, fw.Body(gt=0, alias="theNumber", title="N", examples=[3])],
        q: str | None = None,
        also: str = fw.Body("x", deprecated=True),
        hidden: str = fw.Body("y", include_in_schema=False),
    ) -> None: ...

    @app.post("/single")
    async def single(number: Annotated[int, fw.Body()]) -> None: ...

    @app.post("/single-optional")
    async def single_optional(item: Item | None = None) -> None: ...

    @app.post("/single-default")
    async def single_default(item: Annotated[Image, fw.Body()] = Image(url="http://example.com/")) -> None: ...

    @app.post("/other-type")
    async def other_type(item: Annotated[dict[str, Any], fw.Body(media_type="application/vnd.own+json")]) -> None: ...

    @app.post("/examples")
    async def examples(
        item: Annotated[
            Image,
            fw.Body(
                title="Which",
                description="The picture",
                examples=[{"url": "http://example.com/"}],
                openapi_examples={"a": {"summary": "A", "description": "D", "value": {"url": "http://example.com/"}}},
            ),
        ],
    ) -> None: ...

    @app.post("/any")
    async def anything(body: Any = fw.Body()) -> Any: ...

    @app.post("/bytes")
    async def raw(body: bytes = fw.Body()) -> bytes: ...

    @app.post("/shapes")
    async def shapes(
        a: list[Item], b: dict[str, Image], c: set[Colour], d: tuple[int, str], f: Names, g: frozenset[int]
    ) -> None: ...

    @app.post("/list")
    async def listed(items: list[Item]) -> dict[int, Item]: ...

    @app.post("/mapping")
    async def mapping(weights: dict[int, float]) -> list[list[int]]: ...

    @app.post("/tree")
    async def tree(node: Node) -> Node: ...

    @app.post("/pet")
    async def pet(pet: Pet) -> Pet: ...

    @app.post("/either")
    async def either(thing: Cat | Dog | int) -> Cat | Dog | None: ...

    @app.post("/renamed")
    async def renamed(thing: Renamed) -> Renamed: ...

    @app.post("/renamed-by-name", response_model_by_alias=False)
    async def renamed_by_name(thing: Renamed) -> Renamed: ...

    @app.post("/square")
    async def square(square: Square) -> Square: ...

    @app.post("/squares")
    async def squares(squares: list[Square]) -> Page[Square]: ...

    @app.post("/point")
    async def point(point: Point) -> Point: ...

    @app.post("/movie")
    async def movie(movie: Movie) -> Movie: ...

    @app.post("/names")
    async def names(names: Names) -> Names: ...

    @app.post("/pages")
    async def pages(page: Page[Item], other: Page[int]) -> Page[Page[Image]]: ...

    @app.delete("/delete")
    async def delete(item: Image) -> None: ...

    @app.get("/get")
    async def get(item: Image) -> None: ...

    @app.options("/options")
    async def options(item: Image) -> None: ...

    @app.patch("/default-factory")
    async def factory(numbers: Annotated[list[int], fw.Body(default_factory=list)]) -> None: ...

    async def sub(extra: Annotated[str, fw.Body()], image: Image) -> None: ...

    @app.post("/by-dependency")
    async def by_dependency(item: Item, sub: Annotated[None, fw.Depends(sub)]) -> None: ...

    @app.post("/only-by-dependency", dependencies=[fw.Depends(sub)])
    async def only_by_dependency() -> None: ...

    return app


def forms(fw: Any) -> Any:
    app = fw.FastAPI()

    @app.post("/form")
    async def form(name: Annotated[str, fw.Form(min_length=2, description="Who")], age: int = fw.Form(3)) -> None: ...

    @app.post("/one-field")
    async def one_field(name: str = fw.Form()) -> None: ...

    @app.post("/optional")
    async def optional(name: str | None = fw.Form(None)) -> None: ...

    @app.post("/bytes")
    async def raw(file: Annotated[bytes, fw.File(description="As bytes")]) -> None: ...

    @app.post("/upload")
    async def upload(file: fw.UploadFile) -> None: ...

    @app.post("/upload-optional")
    async def upload_optional(file: fw.UploadFile | None = None, other: bytes | None = fw.File(None)) -> None: ...

    @app.post("/uploads")
    async def uploads(files: list[fw.UploadFile], more: Annotated[list[bytes], fw.File()]) -> None: ...

    @app.post("/mixed")
    async def mixed(
        file: Annotated[fw.UploadFile, fw.File(title="F", description="D")],
        token: Annotated[str, fw.Form(alias="theToken")],
        listed: Annotated[list[int], fw.Form()] = [],
    ) -> None: ...

    class FormWithFile(BaseModel):
        name: str
        file: fw.UploadFile

    @app.post("/model")
    async def model(form: Annotated[FormWithFile, fw.Form(media_type="multipart/form-data")]) -> None: ...

    @app.post("/login")
    async def login(form: Annotated[fw.OAuth2PasswordRequestForm, fw.Depends()]) -> None: ...

    return app


def responses(fw: Any) -> Any:
    app = fw.FastAPI(responses={418: {"description": "A teapot", "model": Image}})

    @app.get("/model", response_model=Item, status_code=201, response_description="It is made")
    async def model() -> Any: ...

    @app.get("/none", response_model=None)
    async def none() -> Item: ...

    @app.get("/empty", status_code=204)
    async def empty() -> None: ...

    @app.get("/not-modified", status_code=304, responses={200: {"model": Item}})
    async def not_modified() -> None: ...

    @app.get(
        "/several",
        response_model=Item,
        responses={
            200: {"content": {"image/png": {}}, "description": "Either"},
            404: {"model": Image},
            403: {
                "model": list[Image],
                "description": "Not allowed",
                "headers": {"X-A": {"schema": {"type": "string"}}},
            },
            "5XX": {"model": Cat},
            "default": {"model": Dog, "links": {"next": {"operationId": "model_model_get"}}},
            422: {"description": "Own"},
            599: {"description": "", "model": int},
        },
    )
    async def several(n: int) -> Any: ...

    @app.get("/ranges", responses={"4xx": {"description": "Any"}, "2XX": {}, 302: {}, 299: {}})
    async def ranges(n: int) -> None: ...

    @app.get("/html", response_class=fw.HTMLResponse, responses={404: {"model": Image}})
    async def html() -> str: ...

    @app.get("/text", response_class=fw.PlainTextResponse)
    async def text() -> str: ...

    @app.get("/redirect", response_class=fw.RedirectResponse)
    async def redirect() -> str: ...

    @app.get("/redirect-status", response_class=fw.RedirectResponse, status_code=302)
    async def redirect_status() -> str: ...

    @app.get("/stream", response_class=fw.StreamingResponse)
    async def stream() -> Any: ...

    @app.get("/response")
    async def response() -> fw.Response: ...

    @app.get("/json-response")
    async def json_response() -> fw.JSONResponse: ...

    class Own(fw.JSONResponse):
        media_type = "application/problem+json"

    @app.get("/own", response_class=Own, response_model=Item, responses={400: {"model": Image}})
    async def own() -> Any: ...

    class Image_(fw.Response):
        media_type = "image/png"

    @app.get("/image", response_class=Image_)
    async def image() -> Any: ...

    @app.get("/lines")
    async def lines() -> AsyncIterable[Item]:
        yield Item(name="ab", price=1)

    @app.get("/lines-sync")
    def lines_sync() -> Iterable[Colour]:
        yield Colour.red

    @app.get("/lines-untyped")
    async def lines_untyped():
        yield 1

    @app.get("/kinds")
    async def kinds() -> dict[str, Item | Image | None]: ...

    @app.get("/scalar-int")
    async def scalar_int() -> int: ...

    @app.get("/scalar-union")
    async def scalar_union() -> int | str | None: ...

    @app.get("/tuple")
    async def tuple_() -> tuple[int, ...]: ...

    @app.get("/literal")
    async def literal() -> Literal["a", "b"]: ...

    @app.get("/filtered", response_model=Item, response_model_exclude={"tax"}, response_model_exclude_unset=True)
    async def filtered() -> Any: ...

    @app.get("/untyped")
    async def untyped(): ...

    @app.head("/head")
    async def head() -> None: ...

    @app.trace("/trace")
    async def trace() -> None: ...

    return app


def security(fw: Any) -> Any:
    app = fw.FastAPI(swagger_ui_init_oauth={"clientId": "x"})
    password = fw.OAuth2PasswordBearer(
        tokenUrl="token", scopes={"read": "Reads", "write": "Writes"}, description="By password", refreshUrl="again"
    )
    named = fw.OAuth2PasswordBearer(tokenUrl="/t", scheme_name="named", auto_error=False)
    code = fw.OAuth2AuthorizationCodeBearer(
        authorizationUrl="https://a.example.com/auth", tokenUrl="https://a.example.com/t", scopes={"all": "Everything"}
    )
    schemes = {
        "basic": fw.HTTPBasic(realm="here"),
        "bearer": fw.HTTPBearer(bearerFormat="JWT", description="A token"),
        "digest": fw.HTTPDigest(scheme_name="MyDigest"),
        "header": fw.APIKeyHeader(name="X-Key"),
        "query": fw.APIKeyQuery(name="key", description="In the query"),
        "cookie": fw.APIKeyCookie(name="session", scheme_name="Session"),
        "oidc": fw.OpenIdConnect(openIdConnectUrl="https://a.example.com/.well-known"),
        "named": named,
        "code": code,
    }
    for name, scheme in schemes.items():

        def endpoint(found: Any = fw.Depends(scheme)) -> None: ...

        app.add_api_route(f"/{name}", endpoint, name=name)

    async def user(scopes: fw.SecurityScopes, token: Annotated[str, fw.Depends(password)]) -> str: ...

    async def active(user: Annotated[str, fw.Security(user, scopes=["read"])]) -> str: ...

    async def admin(
        user: Annotated[str, fw.Security(active, scopes=["write"])], key: Annotated[str, fw.Depends(schemes["header"])]
    ) -> str: ...

    @app.get("/plain")
    async def plain(token: Annotated[str, fw.Depends(password)]) -> None: ...

    @app.get("/me")
    async def me(user: Annotated[str, fw.Security(active, scopes=["me", "read"])]) -> None: ...

    @app.get("/admin", dependencies=[fw.Security(admin, scopes=["admin"])])
    async def admin_() -> None: ...

    @app.get("/both", dependencies=[fw.Depends(schemes["basic"]), fw.Depends(schemes["bearer"])])
    async def both(user: Annotated[str, fw.Depends(active)], other: Annotated[str, fw.Depends(admin)]) -> None: ...

    router = fw.APIRouter(prefix="/r", dependencies=[fw.Security(user, scopes=["router"])])

    @router.get("/x")
    async def x(token: Annotated[str, fw.Security(password, scopes=["direct"])]) -> None: ...

    app.include_router(router, dependencies=[fw.Depends(schemes["query"])])
    return app


def routers(fw: Any) -> Any:
    def own_id(route: Any) -> str:
        return f"{route.tags[0] if route.tags else 'none'}-{route.name}"

    app = fw.FastAPI(
        title="Routers",
        generate_unique_id_function=own_id,
        dependencies=[fw.Depends(lambda x_app: None)],
        openapi_tags=[
            {
                "name": "users",
                "description": "Of users",
                "externalDocs": {"url": "https://example.com", "description": "d"},
            },
            {"name": "items"},
        ],
    )
    inner = fw.APIRouter(prefix="/inner", tags=["inner"], responses={404: {"description": "Inner"}}, deprecated=True)
    outer = fw.APIRouter(prefix="/outer/{outer_id}", tags=[Area.users], responses={404: {"description": "Outer"}})
    hidden = fw.APIRouter(include_in_schema=False)
    plain = fw.APIRouter(default_response_class=fw.PlainTextResponse)
    ids = fw.APIRouter(generate_unique_id_function=lambda route: f"r-{route.name}")

    @inner.get("/a", tags=["own", "inner"])
    async def a(outer_id: int) -> None:
        """Says A."""

    @inner.post("/b", deprecated=False, summary="B", description="Of B", name="the_b")
    async def b(outer_id: int, item: Item, image: Image) -> None: ...

    @hidden.get("/hidden")
    async def hidden_(model: Annotated[Filter, fw.Query()]) -> Node: ...

    @plain.get("/plain")
    async def plain_() -> str: ...

    @ids.post("/ids")
    async def ids_(a: Item, b: Item) -> None: ...

    @ids.get("/ids2", operation_id="fixed")
    async def ids2() -> None: ...

    @ids.get("/ids3", generate_unique_id_function=lambda route: f"own-{route.name}")
    async def ids3() -> None: ...

    async def common(q: str | None = None, skip: int = 0) -> None: ...

    outer.include_router(inner, tags=["included"], responses={409: {"description": "Included"}})
    app.include_router(outer, dependencies=[fw.Depends(common)])
    app.include_router(hidden)
    app.include_router(plain, prefix="/p", deprecated=True)
    app.include_router(ids, include_in_schema=True)
    app.include_router(inner, prefix="/again/{outer_id}", responses={404: {"model": Image}}, tags=["users"])
    sub = fw.FastAPI()

    @sub.get("/sub")
    async def sub_() -> None: ...

    app.mount("/mounted", sub)
    return app


def callbacks(fw: Any) -> Any:
    hook = fw.APIRouter()

    @hook.post("{$callback_url}/invoices/{$request.body.id}", response_model=Image, responses={400: {"model": Cat}})
    def invoice(body: Item, key: Annotated[str, fw.Header()]) -> Any:
        """Tells of an invoice."""

    @hook.put("{$callback_url}/other")
    def other(node: Node) -> None: ...

    foreign = fw.APIRouter(default_response_class=StarletteJSONResponse)

    @foreign.get("{$callback_url}/foreign", responses={400: {"model": Cat}})
    def foreign_() -> Any: ...

    @foreign.get("{$callback_url}/foreign-model")
    def foreign_model() -> Dog: ...

    everywhere = fw.APIRouter()

    @everywhere.post("/everywhere")
    def everywhere_() -> None: ...

    app = fw.FastAPI(callbacks=everywhere.routes)

    @app.post("/invoices", callbacks=hook.routes, tags=["i"])
    def create(image: Image, callback_url: AnyUrl | None = None) -> None: ...

    @app.post("/foreign", callbacks=foreign.routes)
    def foreign_answers() -> None: ...

    router = fw.APIRouter(callbacks=hook.routes)

    @router.get("/with")
    def with_() -> None: ...

    app.include_router(router, prefix="/r")

    @app.webhooks.post("new-subscription", tags=["hooks"], summary="New", responses={410: {"model": Dog}})
    def new_subscription(body: Renamed, x_sign: Annotated[str, fw.Header()]) -> Square:
        """Somebody subscribes."""

    @app.webhooks.get("asked/{n}")
    def asked(n: int) -> None: ...

    return app


def information(fw: Any) -> Any:
    app = fw.FastAPI(
        title="All of it",
        summary="Short",
        description="Long\n\n# heading",
        version="3.2.1",
        terms_of_service="https://example.com/terms",
        contact={"name": "Ann", "url": "https://example.com", "email": "ann@example.com", "x-more": 1},
        license_info={"name": "MIT", "url": "https://example.com/mit"},
        servers=[
            {"url": "/", "description": "Here"},
            {"url": "https://{env}.example.com", "variables": {"env": {"default": "a", "enum": ["a", "b"]}}},
        ],
        openapi_external_docs={"url": "https://example.com", "description": "More"},
        openapi_tags=[{"name": "a", "description": "A", "x-own": [1]}],
        separate_input_output_schemas=False,
    )

    @app.post("/item", openapi_extra={"x-a": {"b": [1]}, "parameters": [{"name": "z", "in": "query"}], "tags": ["x"]})
    async def item(item: Item, q: int = 1) -> Item: ...

    @app.post(
        "/raw",
        openapi_extra={
            "requestBody": {"content": {"application/x-yaml": {"schema": Image.model_json_schema()}}, "required": True}
        },
    )
    async def raw(request: fw.Request) -> None: ...

    @app.post("/square")
    async def square(square: Square) -> Renamed: ...

    @app.api_route("/several", methods=["PUT"], operation_id="several_id")
    async def several(colour: Colour) -> list[Colour]: ...

    async def no_words() -> None:
        """
        First line.

            Indented code.

        Last line.
        """

    app.add_api_route("/added", no_words, methods=["GET"], tags=["a", Area.items])
    app.add_api_route("/lambda", lambda: None)

    class Callable_:
        """Of the class."""

        async def __call__(self, q: int) -> None:
            """Of the call."""

    app.add_api_route("/object", Callable_(), name="object")
    return app


def same_names(fw: Any) -> Any:
    """Different models with one name."""

    def one() -> Any:
        class Thing(BaseModel):
            a: int

        return Thing

    def other() -> Any:
        class Thing(BaseModel):
            b: str = "b"

        Thing.__module__ = "elsewhere"
        return Thing

    app = fw.FastAPI()
    first, second = one(), other()

    @app.post("/one")
    async def one_(thing: first) -> second: ...

    @app.post("/two")
    async def two(thing: second) -> list[first]: ...

    return app


APPLICATIONS = (
    parameters,
    models,
    bodies,
    forms,
    responses,
    security,
    routers,
    callbacks,
    information,
    same_names,
)
