"""jsonable_encoder and the JSON of stream items say what FastAPI's say."""

from __future__ import annotations

import dataclasses
import enum
import ipaddress
import json
import math
import pathlib
import re
import uuid
from collections import OrderedDict, deque, namedtuple
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import fastapi.encoders
import msgspec
import pydantic
import pytest
from fastapi.routing import _normalize_non_finite_floats  # type: ignore[attr-defined]
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticUndefined

from covet.encoders import jsonable_encoder, spaced_json


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, 2)


class Level(enum.IntEnum):
    LOW = 1


class Kind(str, enum.Enum):  # noqa: UP042 - what applications have
    A = "a"


class Inner(pydantic.BaseModel):
    when: datetime = datetime(2026, 1, 2, 3, 4, 5)
    tags: set[str] = {"t"}


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(populate_by_name=True)

    name: str = pydantic.Field("n", alias="theName")
    inner: Inner | None = None
    price: Decimal = Decimal("1.50")
    secret: pydantic.SecretStr = pydantic.SecretStr("s")
    _sa_private: int = 1

    @pydantic.field_serializer("price")
    def say(self, value: Decimal) -> str:
        return f"{value} EUR"


class Root(pydantic.RootModel[list[int]]):
    pass


@dataclasses.dataclass
class Point:
    x: int
    y: Decimal
    model: Any = None
    _sa_state: int = 3


class Plain:
    def __init__(self) -> None:
        self.a = 1
        self._sa_instance_state = object()
        self.when = date(2026, 1, 2)


class Pairs:
    def __iter__(self) -> Iterator[tuple[str, int]]:
        return iter([("a", 1), ("b", 2)])


class Text(str):
    pass


class Number(int):
    pass


class Special(datetime):
    pass


Named = namedtuple("Named", "a b")


def generated() -> Iterator[Any]:
    yield {1}
    yield date(2026, 1, 2)


VALUES: list[Callable[[], Any]] = [
    lambda: None,
    lambda: [1, 1.5, True, "é", None, math.inf, Text("t"), Number(3)],
    lambda: {"a": {1, 2}, 3: frozenset([4]), None: (5,), Colour.RED: deque([6]), "_sa_x": 1, "n": None},
    lambda: {uuid.UUID(int=1): uuid.UUID(int=2), date(2026, 1, 2): Kind.A, Level.LOW: Level.LOW},
    lambda: [
        datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
        date(2026, 1, 2),
        time(1, 2),
        timedelta(1, 2, 3),
        Special(2026, 1, 2),
    ],
    lambda: [Decimal("1.0"), Decimal("1"), Decimal("1E+3"), Decimal("-0.1")],
    lambda: [b"bytes", pathlib.Path("/a/b"), pathlib.PureWindowsPath("c:\\d"), re.compile("a+")],
    lambda: [
        ipaddress.ip_address(text) if "/" not in text else ipaddress.ip_network(text)
        for text in ("127.0.0.1", "::1", "10.0.0.0/8", "::/64")
    ],
    lambda: [ipaddress.ip_interface("10.0.0.1/8"), ipaddress.ip_interface("::1/64")],
    lambda: [Colour.PAIR, Colour.RED, Kind.A, Level.LOW],
    generated,
    lambda: Named(1, {2}),
    lambda: OrderedDict(b=1, a=2),
    lambda: MappingProxyType({"a": {1}}),
    lambda: Model(),
    lambda: Model(theName="x", inner=Inner(), price=Decimal(2)),
    lambda: {"models": [Model(inner=Inner(tags={"a"})), Root([1, 2])], "point": Point(1, Decimal("2.5"), Model())},
    lambda: Point(1, Decimal(2), {"b": Point(3, Decimal(4))}),
    lambda: Plain(),
    lambda: Pairs(),
    lambda: [pydantic.AnyUrl("http://a/b"), pydantic.HttpUrl("http://a"), pydantic.SecretBytes(b"x")],
    lambda: [pydantic.TypeAdapter(pydantic.AnyHttpUrl).validate_python("https://x")],
    lambda: [PydanticUndefined],
]

OPTIONS: list[dict[str, Any]] = [
    {},
    {"by_alias": False},
    {"exclude_none": True},
    {"exclude_unset": True},
    {"exclude_defaults": True},
    {"include": {"name", "a", "x", "models"}},
    {"exclude": {"name", "a", "x"}},
    {"include": ["name", "inner"]},
    {"exclude": {"inner": {"tags"}}},
    {"sqlalchemy_safe": False},
    {"custom_encoder": {datetime: lambda value: "now", Model: lambda value: "model", int: lambda value: value + 1}},
    {"custom_encoder": {enum.Enum: lambda value: "enum", date: str}},
]


def outcome(encoder: Callable[..., Any], value: Any, options: dict[str, Any]) -> Any:
    try:
        result = encoder(value, **options)
    except Exception as error:
        return type(error)
    return repr(result)


@pytest.mark.parametrize("options", OPTIONS, ids=",".join)
@pytest.mark.parametrize("make", VALUES)
def test_as_in_fastapi(make: Callable[[], Any], options: dict[str, Any]) -> None:
    assert outcome(jsonable_encoder, make(), options) == outcome(fastapi.encoders.jsonable_encoder, make(), options)


@pytest.mark.parametrize("value", [object(), b"\xff", 1j, lambda: 1, [memoryview(b"a")]])
def test_what_has_no_form(value: Any) -> None:
    ours, theirs = (outcome(each, value, {}) for each in (jsonable_encoder, fastapi.encoders.jsonable_encoder))
    assert ours == theirs


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.decimals(allow_nan=False), st.datetimes(),
    st.timedeltas(), st.uuids(), st.dates(), st.ip_addresses(), st.sampled_from([*Colour, *Level, *Kind]),
)  # fmt: skip
KEYS = st.one_of(st.text(), st.integers(), st.uuids(), st.none(), st.booleans(), st.sampled_from(["_sa_x", *Level]))
ANY = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(ANY)
def test_anything_as_in_fastapi(value: Any) -> None:
    assert outcome(jsonable_encoder, value, {}) == outcome(fastapi.encoders.jsonable_encoder, value, {})


@given(ANY)
def test_the_json_of_items_as_in_fastapi(value: Any) -> None:
    theirs = json.dumps(_normalize_non_finite_floats(fastapi.encoders.jsonable_encoder(value)))
    assert spaced_json(value) == theirs.encode()


@pytest.mark.parametrize("make", VALUES)
def test_the_json_of_values_as_in_fastapi(make: Callable[[], Any]) -> None:
    theirs = json.dumps(_normalize_non_finite_floats(fastapi.encoders.jsonable_encoder(make())))
    assert spaced_json(make()) == theirs.encode()


class Struct(msgspec.Struct, rename="camel"):
    first_name: str
    tags: set[int] = msgspec.field(default_factory=set)
    nothing: int | None = None
    unset: int | msgspec.UnsetType = msgspec.UNSET


class Tagged(msgspec.Struct, tag=True, omit_defaults=True):
    a: int = 1
    when: date = date(2026, 1, 2)


def test_structs() -> None:
    assert jsonable_encoder(Struct("x", {1})) == {"firstName": "x", "tags": [1], "nothing": None}
    assert jsonable_encoder(Struct("x"), by_alias=False) == {"first_name": "x", "tags": [], "nothing": None}
    assert jsonable_encoder([Struct("x")], exclude_none=True, exclude={"tags"}) == [{"firstName": "x"}]
    assert jsonable_encoder(Struct("x", {2}), exclude_defaults=True) == {"firstName": "x", "tags": [2]}
    assert jsonable_encoder(Tagged(2)) == {"type": "Tagged", "a": 2}
    assert spaced_json({"s": Tagged(when=date(2025, 1, 1))}) == b'{"s": {"type": "Tagged", "when": "2025-01-01"}}'


def test_urls_of_several_hosts_are_text() -> None:
    assert jsonable_encoder(pydantic.PostgresDsn("postgres://a,b/c")) == "postgres://a,b/c"
