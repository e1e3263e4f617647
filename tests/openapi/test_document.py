"""The document: the same as FastAPI's for the same application."""

# ruff: noqa: B008
import warnings
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import msgspec
import pytest
from compat.frameworks import framework
from compat.models import Cat, Dog, Filter, Item, User
from compat.test_same import AREAS
from pydantic import BaseModel, Field, computed_field

from covet import APIRouter, Cookie, CovetPy, Header, Path, PlainTextResponse, Query
from covet.testclient import TestClient
from openapi.applications import APPLICATIONS


def drop_unasked(theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    """Leaves out parameters of the path that no function asks for: FastAPI's document is not valid without them."""
    for path, operations in ours["paths"].items():
        for method, operation in operations.items():
            known = theirs["paths"][path][method].get("parameters", [])
            kept = [one for one in operation.get("parameters", []) if one in known or one["in"] != "path"]
            operation.pop("parameters", None)
            if kept:
                operation["parameters"] = kept


def documents(build: Any, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """FastAPI's and ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = build(framework("fastapi")).openapi()
        application = build(framework("covet"))
        theirs["openapi"] = application.openapi_version = "3.2.0"  # with FastAPI's words for the items of streams
        ours = application.openapi()
        theirs["info"]["title"] = ours["info"]["title"]
        drop_unasked(theirs, ours)
        for document in (theirs, ours):
            for path in document["paths"].values():
                if len(path) > 1:  # FastAPI names those of one route after any of its methods
                    for operation in path.values():
                        operation["operationId"] = operation["operationId"].rpartition("_")[0]
    return theirs, ours


@pytest.mark.parametrize("area", AREAS)
def test_same_document(area: str) -> None:
    theirs, ours = documents(import_module(f"compat.{area}").build)
    assert ours == theirs


@pytest.mark.parametrize("build", APPLICATIONS)
def test_same_document_of_everything_there_is(build: Any) -> None:
    theirs, ours = documents(build)
    assert ours == theirs


class Area(BaseModel):
    width: float
    height: float = 1.0

    @computed_field  # type: ignore[prop-decorator]
    @property
    def size(self) -> float:
        return self.width * self.height


class Aliased(BaseModel):
    item_id: int = Field(alias="itemId", description="Which one", examples=[3])
    flag: bool = Field(False, deprecated=True)


@dataclass
class Point:
    x: int
    y: int = 0


def everything(fw: Any) -> Any:
    app = fw.FastAPI(
        summary="A summary",
        description="# All of it",
        version="2.0.0",
        openapi_tags=[{"name": "a", "description": "First"}],
        servers=[{"url": "https://example.com", "description": "There"}],
        terms_of_service="https://example.com/terms",
        contact={"name": "Ann", "email": "ann@example.com"},
        license_info={"name": "MIT", "identifier": "MIT"},
        openapi_external_docs={"url": "https://example.com/docs", "description": "More"},
        responses={500: {"description": "Broken"}},
    )
    callbacks, hooks = fw.APIRouter(), app.webhooks
    bearer = fw.OAuth2PasswordBearer("token", scopes={"read": "Reads", "write": "Writes"})
    key = fw.APIKeyHeader(name="x-key", description="A key")
    basic = fw.HTTPBasic()

    @callbacks.post("{$callback_url}/done/{$request.body.id}")
    def done(item: Item) -> None: ...

    @hooks.post("new-user")
    def new_user(user: User) -> None:
        """Somebody is new."""

    async def reader(token: Annotated[str, fw.Security(bearer, scopes=["read"])]) -> str:
        return token

    @app.get("/secure", tags=["a"])
    async def secure(token: Annotated[str, fw.Security(reader, scopes=["write"])], k: str = fw.Depends(key)) -> str:
        return token + k

    @app.get("/basic", dependencies=[fw.Depends(basic)], deprecated=True, operation_id="own_id", summary="Short")
    async def basic_() -> dict[str, int]:
        """The description.

        With two lines.
        \f
        Not this.
        """
        return {}

    @app.post(
        "/items",
        response_model=list[Item],
        status_code=201,
        responses={
            404: {"model": User, "description": "None"},
            "4XX": {"content": {"text/plain": {"example": "no"}}},
            "default": {"description": "Else"},
        },
        callbacks=callbacks.routes,
        response_description="Made",
        openapi_extra={"x-more": {"a": 1}},
    )
    async def items(
        item: Annotated[Item, fw.Body(openapi_examples={"one": {"summary": "One", "value": {"name": "n"}}})],
        found: Annotated[Filter, fw.Query()],
        session: Annotated[str, fw.Cookie(description="Who", examples=["abc"])] = "none",
        x_list: Annotated[list[int] | None, fw.Header(deprecated=True)] = None,
    ) -> Any: ...

    @app.put("/area/{name}")
    async def area(name: str, area: Area, other: Aliased) -> Area:
        return area

    @app.patch("/pets")
    async def pets(pet: Annotated[Cat | Dog, fw.Body(discriminator="kind")]) -> Cat | Dog:
        return pet

    @app.post("/points")
    async def points(points: list[Point], importance: Annotated[int, fw.Body(gt=0)]) -> list[Point]:
        return points

    @app.post("/upload")
    async def upload(file: bytes = fw.File(), names: list[str] = fw.Form([])) -> int:
        return len(file)

    @app.get("/hidden", include_in_schema=False)
    async def hidden(q: Annotated[int, fw.Query(include_in_schema=False)]) -> None: ...

    @app.get("/shown")
    async def shown(
        q: Annotated[int, fw.Query(include_in_schema=False)] = 1, p: int = fw.Query(2, alias="pP")
    ) -> None: ...

    @app.api_route("/both", methods=["POST"], response_class=fw.HTMLResponse)
    async def both() -> str:
        return ""

    sub = fw.FastAPI()
    app.mount("/sub", sub)
    return app


def test_everything_at_once() -> None:
    theirs, ours = documents(everything)
    assert ours == theirs


def test_one_schema_for_both_ways() -> None:
    def build(fw: Any) -> Any:
        app = fw.FastAPI(separate_input_output_schemas=False)

        @app.post("/")
        async def same(item: Item) -> Item:
            return item

        @app.post("/area")
        async def area(area: Area) -> Area:
            return area

        return app

    theirs, ours = documents(build)
    assert ours == theirs


def test_structs() -> None:
    class Order(msgspec.Struct):
        item: str
        count: int = 1

    app = CovetPy()

    @app.post("/orders")
    async def orders(order: Order) -> list[Order]:
        return [order]

    document = app.openapi()
    schema = document["components"]["schemas"]["Order"]
    assert schema["properties"]["count"] == {"type": "integer", "default": 1}
    content = document["paths"]["/orders"]["post"]
    assert content["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Order"}
    assert content["responses"]["200"]["content"]["application/json"]["schema"]["items"]["$ref"].endswith("/Order")


def test_it_validates() -> None:
    validator = pytest.importorskip("openapi_spec_validator")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for build in (everything, *(import_module(f"compat.{area}").build for area in AREAS)):
            validator.validate(build(framework("covet")).openapi())


def test_routes_that_come_later_are_in_it() -> None:
    app, router = CovetPy(), APIRouter()
    app.include_router(router)
    assert app.openapi()["paths"] == {}

    @router.get("/late")
    async def late(a: int = Query(), b: str = Header(), c: str = Cookie()) -> None: ...

    assert [parameter["in"] for parameter in app.openapi()["paths"]["/late"]["get"]["parameters"]] == [
        "query",
        "header",
        "cookie",
    ]
    app.openapi_schema = None
    app.openapi = lambda: {"own": True}  # type: ignore[method-assign]
    assert TestClient(app).get("/openapi.json").json() == {"own": True}


def test_where_it_is() -> None:
    app = CovetPy(title="<Shop>", openapi_url="/api.json", docs_url="/d", redoc_url=None)
    app.get("/ping", constant=PlainTextResponse("pong"))

    @app.get("/items/{n}")
    async def item(n: int = Path()) -> int:
        return n

    client = TestClient(app)
    assert client.get("/api.json").json()["info"]["title"] == "<Shop>"
    assert [client.get(path).status_code for path in ("/openapi.json", "/docs", "/redoc")] == [404, 404, 404]
    page = client.get("/d").text
    assert (
        "&lt;Shop&gt; - Swagger UI" in page and '"/api.json"' in page and "http" not in page.replace("http-equiv", "")
    )
    assert client.get("/scalar").status_code == 200
    none = TestClient(CovetPy(openapi_url=None))
    assert [none.get(path).status_code for path in ("/openapi.json", "/docs", "/scalar")] == [404, 404, 404]


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
@pytest.mark.parametrize(
    ("path", "start"),
    [
        ("/docs/assets/swagger-ui-bundle.js", b"/*!"),
        ("/docs/assets/swagger-ui.css", b".swagger-ui"),
        ("/redoc/assets/redoc.standalone.js", b"/*!"),
        ("/scalar/assets/scalar.standalone.js", b""),
        ("/docs/assets/favicon.png", b"\x89PNG"),
    ],
)
def test_assets(path: str, start: bytes, encoding: str) -> None:
    client = TestClient(CovetPy())
    answer = client.get(path, headers={"accept-encoding": encoding})
    assert answer.status_code == 200 and answer.content.startswith(start)
    assert "max-age" in answer.headers["cache-control"]
    assert (answer.headers.get("content-encoding") == "gzip") == (encoding == "gzip" and not path.endswith("png"))
    assert client.get("/docs/assets/..%2Fdocs.py").status_code == 404


def test_behind_a_proxy_and_mounted() -> None:
    app, sub = CovetPy(), CovetPy()
    app.mount("/sub", sub)
    client = TestClient(app, root_path="/proxied")
    assert client.get("/openapi.json").json()["servers"] == [{"url": "/proxied"}]
    mounted = TestClient(app)
    assert mounted.get("/sub/openapi.json").json()["servers"] == [{"url": "/sub"}]
    assert '"/sub/openapi.json"' in mounted.get("/sub/docs").text
