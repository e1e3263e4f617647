"""What msgspec validates, and what of it pydantic does: bodies and results with Structs in them."""

import dataclasses
import sys
import typing
from ipaddress import IPv4Address
from typing import Annotated, Any, Generic, TypeVar

import msgspec
import pytest
from openapi_spec_validator import validate
from pydantic import AnyUrl, BaseModel, Field

from covet import Body, CovetPy
from covet.exceptions import FieldTypeError
from covet.testclient import TestClient

T = TypeVar("T")


class Model(BaseModel):
    name: str = Field(alias="NAME")
    count: Annotated[int, Field(gt=1)] = 2


class Struct(msgspec.Struct):
    a: int
    b: list[str] = []


class Holds(msgspec.Struct):
    one: Model
    many: list[Model] = []
    maybe: Model | None = None
    link: AnyUrl | None = None
    address: IPv4Address | None = None


class Box(msgspec.Struct, Generic[T]):
    value: T


@dataclasses.dataclass
class Record:
    struct: Struct
    model: Model | None = None


class Typed(typing.TypedDict):
    struct: Struct


class Unknown:
    pass


class HasUnknown(msgspec.Struct):
    within: list[Unknown]


def echo(annotation: Any, *, blocking: bool = False, checked: bool = True) -> TestClient:
    app = CovetPy()

    async def wait(x: Any) -> Any:
        return x

    def directly(x: Any) -> Any:
        return x

    handler = directly if blocking else wait
    handler.__annotations__ = {"x": annotation} | ({"return": annotation} if checked else {})
    app.post("/")(handler)
    return TestClient(app)


GOOD = [
    (
        Holds,
        {"one": {"NAME": "x"}},
        {"one": {"NAME": "x", "count": 2}, "many": [], "maybe": None, "link": None, "address": None},
    ),
    (
        Holds,
        {"one": {"NAME": "x", "count": 3}, "many": [{"NAME": "y"}], "link": "http://a.b/", "address": "1.2.3.4"},
        {
            "one": {"NAME": "x", "count": 3},
            "many": [{"NAME": "y", "count": 2}],
            "maybe": None,
            "link": "http://a.b/",
            "address": "1.2.3.4",
        },
    ),
    (list[Holds], [], []),
    (Box[int], {"value": 1}, {"value": 1}),
    (Box[Model], {"value": {"NAME": "x"}}, {"value": {"NAME": "x", "count": 2}}),
    (Record, {"struct": {"a": 1}}, {"struct": {"a": 1, "b": []}, "model": None}),
    (list[Record], [{"struct": {"a": 1}, "model": {"NAME": "x"}}], None),
    (Typed, {"struct": {"a": 1}}, {"struct": {"a": 1, "b": []}}),
]


@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize(("annotation", "sent", "expected"), GOOD)
def test_what_holds_structs_or_models(annotation: Any, sent: Any, expected: Any, blocking: bool, checked: bool) -> None:
    client = echo(annotation, blocking=blocking, checked=checked)
    response = client.post("/", json=sent)
    assert response.status_code == 200, response.text
    if expected is not None:
        assert response.json() == expected
    document = client.get("/openapi.json").json()
    validate(document)
    if annotation in (Holds, Box[Model]):
        assert "Model" in document["components"]["schemas"]


def test_results_may_be_plain() -> None:
    app = CovetPy()

    @app.get("/{kind}")
    async def result(kind: str) -> Holds:
        if kind == "bad":
            return {"one": {"NAME": 1}}  # type: ignore[return-value]
        return {"one": Model(NAME="x"), "many": [{"NAME": "y"}]}  # type: ignore[return-value,list-item]

    client = TestClient(app, raise_server_exceptions=False)
    assert client.get("/good").json()["many"] == [{"NAME": "y", "count": 2}]
    assert client.get("/bad").status_code == 500


def test_errors_of_models_within() -> None:
    client = echo(Holds)
    sent = {"one": {"NAME": "x"}, "many": [{"NAME": "x"}, {"count": 1}]}
    errors = client.post("/", json=sent).json()["detail"]
    assert [(error["type"], error["loc"]) for error in errors] == [
        ("missing", ["body", "many", 1, "NAME"]),
        ("greater_than", ["body", "many", 1, "count"]),
    ]


def test_several_in_one_body() -> None:
    app = CovetPy()

    @app.post("/")
    async def handler(first: Struct, second: Holds, third: Annotated[int, Body()], fourth: Struct | None = None) -> Any:
        return [first, second.one, third, fourth]

    client = TestClient(app)
    sent = {"first": {"a": 1}, "second": {"one": {"NAME": "x"}}, "third": 3}
    assert client.post("/", json=sent).json() == [{"a": 1, "b": []}, {"NAME": "x", "count": 2}, 3, None]
    document = client.get("/openapi.json").json()
    validate(document)
    body = document["components"]["schemas"]["Body_handler__post"]
    assert body["properties"]["second"]["$ref"] == "#/components/schemas/Holds"
    assert body["required"] == ["first", "second", "third"]
    assert document["components"]["schemas"]["Holds"]["properties"]["one"] == {"$ref": "#/components/schemas/Model"}
    assert "$comment" not in client.get("/openapi.json").text


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (Struct | Model, "parameter 'x': msgspec, which validates Structs and what holds some, cannot validate"),
        (list[Struct | Model], "parameter 'x': msgspec, which validates Structs and what holds some, cannot validate"),
        (HasUnknown, r"parameter 'x': field HasUnknown\.within: neither msgspec nor pydantic can validate"),
    ],
)
def test_what_nobody_can_validate_is_refused(annotation: Any, message: str) -> None:
    with pytest.raises(FieldTypeError, match=f"^route POST /: {message}") as refused:
        echo(annotation, checked=False)
    assert "\n" not in str(refused.value)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="pydantic takes both")
def test_the_typed_dict_of_typing() -> None:
    class Plain(typing.TypedDict):
        a: int

    with pytest.raises(FieldTypeError, match=r"^route POST /: parameter 'x': .*`typing_extensions` only$"):
        echo(Plain, checked=False)


Meta = msgspec.Meta
CONSTRAINTS: list[tuple[Any, Any, Any]] = [
    (float, {"gt": 1}, 0.5),
    (float, {"ge": 1.5}, 0.5),
    (float, {"lt": 1}, 2.5),
    (float, {"le": 1}, 2.5),
    (int, {"ge": 1}, 0),
    (int, {"le": 1}, 2),
    (int, {"multiple_of": 2}, 3),
    (str, {"min_length": 1}, ""),
    (str, {"max_length": 2}, "abc"),
    (str, {"pattern": "^a"}, "b"),
    (list[int], {"min_length": 2}, [1]),
    (list[int], {"max_length": 1}, [1, 2]),
    (dict[str, int], {"min_length": 1}, {}),
    (int, {"gt": 1}, 0),
    (int, {"lt": 1}, 2),
    (int, {"ge": 2}, 0),
]


@pytest.mark.parametrize(("kind", "options", "value"), CONSTRAINTS)
def test_constraints_are_told_as_pydantic_tells_them(kind: Any, options: Any, value: Any) -> None:
    mine = msgspec.defstruct("Mine", [("a", Annotated[kind, Meta(**options)])])
    namespace = {"__annotations__": {"a": Annotated[kind, Field(**options)]}, "__module__": __name__}
    theirs = type("Theirs", (BaseModel,), namespace)
    told = [echo(made, checked=False).post("/", json={"a": value}).json()["detail"] for made in (mine, theirs)]
    assert told[0] == told[1]


class Counted(msgspec.Struct, rename="camel"):
    by_name: dict[str, list[Annotated[int, Meta(gt=1)] | None]] = {}
    pair: tuple[str, Annotated[int, Meta(lt=5)]] = ("", 0)
    record: "Deep | None" = None


@dataclasses.dataclass
class Deep:
    least: Annotated[int, Meta(gt=0, le=9)]


@pytest.mark.parametrize(
    ("sent", "loc", "kind", "ctx"),
    [
        ({"byName": {"x": [None, 1]}}, ["byName", "...", 1], "greater_than", {"gt": 1}),
        ({"pair": ["", 7]}, ["pair", 1], "less_than", {"lt": 5}),
        ({"record": {"least": 0}}, ["record", "least"], "greater_than", {"gt": 0}),
        ({"record": {"least": 10}}, ["record", "least"], "less_than_equal", {"le": 9}),
    ],
)
def test_constraints_deep_within(sent: Any, loc: list[Any], kind: str, ctx: Any) -> None:
    error = echo(Counted, checked=False).post("/", json=sent).json()["detail"][0]
    assert (error["loc"], error["type"], error["ctx"]) == (["body", *loc], kind, ctx)
