"""Dataclasses, TypedDicts and Structs whose fields are parameters do what pydantic's models do there."""

import dataclasses
from collections.abc import Callable
from typing import Annotated, Any, Generic, NotRequired, TypeVar

import msgspec
import pydantic
import pydantic.dataclasses
import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from covet import Cookie, CovetPy, Form, Header, Query
from covet.exceptions import DeclarationError, FieldTypeError
from covet.testclient import TestClient

T = TypeVar("T")
Kind = Callable[[], Any]


def model() -> Any:
    class Filter(BaseModel):
        limit: Annotated[int, Field(ge=1)]
        order_by: str = "name"
        tags: list[str] = Field(default_factory=list)
        ratio: float | None = None
        to: bool = Field(False, alias="TO")

    return Filter


def record() -> Any:
    @dataclasses.dataclass
    class Filter:
        limit: Annotated[int, Field(ge=1)]
        order_by: str = "name"
        tags: list[str] = dataclasses.field(default_factory=list)
        ratio: float | None = None
        to: bool = Field(False, alias="TO")  # type: ignore[assignment]

    return Filter


def pydantics() -> Any:
    @pydantic.dataclasses.dataclass
    class Filter:
        limit: Annotated[int, Field(ge=1)]
        order_by: str = "name"
        tags: list[str] = Field(default_factory=list)
        ratio: float | None = None
        to: bool = Field(False, alias="TO")

    return Filter


def struct() -> Any:
    class Filter(msgspec.Struct):
        limit: Annotated[int, msgspec.Meta(ge=1)]
        order_by: str = "name"
        tags: list[str] = []
        ratio: float | None = None
        to: bool = msgspec.field(default=False, name="TO")

    return Filter


KINDS = (record, pydantics, struct)
SOURCES: dict[Any, list[dict[str, Any]]] = {
    Query: [
        {"url": f"/?{query}"}
        for query in (
            "limit=2",
            "limit=2&tags=a&tags=b&ratio=1.5&TO=yes&more=1",
            "limit=0&ratio=x",
            "",
            "limit=1&order_by=price&to=1",
        )
    ],
    Header: [
        {"headers": headers}
        for headers in ({"limit": "2", "order-by": "price", "TO": "1"}, {"limit": "0"}, {"order_by": "x"}, {})
    ],
    Cookie: [{"headers": {"cookie": cookies}} for cookies in ("limit=2; order_by=x; TO=on", "limit=x", "a=b")],
    Form: [{"data": data} for data in ({"limit": "2", "tags": ["a", "b"], "TO": "1"}, {"limit": "0", "ratio": ""}, {})],
}


def served(kind: Any, source: Any, *, optional: bool, several: bool) -> CovetPy:
    app = CovetPy()

    def one(x: Any) -> Any:
        assert x is None or isinstance(x, kind)
        return {"x": x}

    def two(x: Any, other: str = "none") -> Any:
        return {"x": x, "other": other}

    handler = two if several else one
    handler.__annotations__["x"] = Annotated[kind | None if optional else kind, source()]
    if optional:
        handler.__defaults__ = (None, *(handler.__defaults__ or ()))
    if several:
        handler.__annotations__["other"] = Annotated[str, source()]
    app.post("/")(handler)
    return app


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("optional", [False, True])
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)
@pytest.mark.parametrize("made", KINDS)
def test_they_are_as_models(made: Kind, source: Any, optional: bool, several: bool) -> None:
    apps = [served(kind, source, optional=optional, several=several) for kind in (model(), made())]
    for request in SOURCES[source]:
        answers = [TestClient(app).post(**{"url": "/", **request}) for app in apps]
        assert answers[0].status_code in (200, 422)
        found = [(answer.status_code, answer.text.replace('"to":', '"TO":')) for answer in answers]
        assert found[0] == found[1]
    documents = [app.openapi() for app in apps]
    assert documents[0] == documents[1]


def test_typed_dicts() -> None:
    class Filter(TypedDict):
        limit: int
        tags: NotRequired[list[str]]

    app = CovetPy()

    @app.get("/")
    async def handler(found: Annotated[Filter, Query()]) -> Any:
        return found

    client = TestClient(app)
    assert client.get("/?limit=2&tags=a").json() == {"limit": 2, "tags": ["a"]}
    assert client.get("/?limit=2").json() == {"limit": 2}
    assert client.get("/").json()["detail"][0]["loc"] == ["query", "limit"]
    parameters = app.openapi()["paths"]["/"]["get"]["parameters"]
    assert [(each["name"], each["required"]) for each in parameters] == [("limit", True), ("tags", False)]
    assert "default" not in parameters[1]["schema"]


def test_generic_structs_and_those_that_refuse() -> None:
    class Page(msgspec.Struct, Generic[T], forbid_unknown_fields=True):
        item: T
        copy: int = 1

        def __post_init__(self) -> None:
            if self.copy > 3:
                raise ValueError("too many copies")

    app = CovetPy()

    @app.get("/")
    async def handler(page: Annotated[Page[int], Query()]) -> Any:
        assert type(page) is Page
        return page

    client = TestClient(app)
    assert client.get("/?item=2").json() == {"item": 2, "copy": 1}
    errors = {path: client.get(path).json()["detail"][0] for path in ("/?item=x", "/?item=1&more=2", "/?item=1&copy=4")}
    assert [(error["type"], error["loc"]) for error in errors.values()] == [
        ("int_parsing", ["query", "item"]),
        ("extra_forbidden", ["query", "more"]),
        ("value_error", ["query"]),
    ]


class Odd:
    pass


class HasOdd(msgspec.Struct):
    odd: Odd


@dataclasses.dataclass
class Plain:
    a: int


@pytest.mark.parametrize("source", [Query, Header, Cookie, Form])
def test_what_cannot_be_parameters_is_refused(source: Any) -> None:
    app = CovetPy()

    def handler(x: Any) -> None: ...

    handler.__annotations__["x"] = Annotated[HasOdd, source()]
    with pytest.raises(
        FieldTypeError, match=r"route POST /: parameter 'x': the fields of .*HasOdd.* cannot be parameters"
    ):
        app.post("/")(handler)
    for union in (Plain | HasOdd, Plain | str):
        handler.__annotations__["x"] = Annotated[union, source()]
        with pytest.raises(DeclarationError, match=rf"route POST /: {source.__name__} parameter 'x' must be one of"):
            app.post("/")(handler)
