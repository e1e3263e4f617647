"""Values from text, with pydantic as the judge."""

from __future__ import annotations

import enum
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from covet.convert import SCALARS, Convert, Invalid, constrained, enum_converter, literal_converter

ADAPTERS: dict[Any, TypeAdapter[Any]] = {kind: TypeAdapter(kind) for kind in SCALARS}


def ours(convert: Convert, text: str) -> tuple[Any, ...]:
    try:
        return "ok", convert(text)
    except Invalid as invalid:
        return invalid.kind, invalid.message, invalid.context


def pydantics(adapter: TypeAdapter[Any], text: str) -> tuple[Any, ...]:
    try:
        return "ok", adapter.validate_python(text)
    except ValidationError as failure:
        error = failure.errors(include_url=False)[0]
        context: Any = error.get("ctx")
        return error["type"], error["msg"], dict(context) if context else None


def same(mine: tuple[Any, ...], theirs: tuple[Any, ...]) -> bool:
    """Equal; aware times also have the same offset, and NaN is NaN."""
    if mine[0] != "ok" or theirs[0] != "ok":
        return mine == theirs
    if isinstance(mine[1], (datetime, time)):
        return bool(mine[1] == theirs[1] and mine[1].utcoffset() == theirs[1].utcoffset())
    return repr(mine[1]) == repr(theirs[1])


def mutated(alphabet: str, *seeds: str) -> st.SearchStrategy[str]:
    """Texts near a good one, and any of the alphabet."""
    seed = st.sampled_from(seeds)
    letters = st.text(st.sampled_from(alphabet), max_size=3)
    near = st.builds(
        lambda text, at, gone, new: text[: at % (len(text) + 1)] + new + text[at % (len(text) + 1) + gone :],
        seed,
        st.integers(0, 60),
        st.integers(0, 3),
        letters,
    )
    return st.one_of(seed, near, st.text(st.sampled_from(alphabet), max_size=16))


@given(mutated("0123456789_+. e\t\xa0", "12345", "1_000", "+5", " 5 ", "1.00", "007"))
@example("9" * 4300)
@example("9" * 4301)
@example("-" + "9" * 4300)
@example("-" + "9" * 4299)
@example("0__0")
@example("0-91")
@example("0_")
@example("0_.0")
@example("-0_1")
@example("0" * 5000 + "1")
@example("\u0663")
@example("5\x00")
def test_int(text: str) -> None:
    assert same(ours(SCALARS[int], text), pydantics(ADAPTERS[int], text))


@given(mutated("0123456789_+-. eE\tinfaNty", "1.5e10", "inf", "-NaN", "1_0.5", " 2 ", ".5", "5."))
@example("1e400")
@example("\x1c5")
def test_float(text: str) -> None:
    assert same(ours(SCALARS[float], text), pydantics(ADAPTERS[float], text))


@given(mutated("truefalsyno10 TYK\u0131", "true", "YES", "off"))
def test_bool(text: str) -> None:
    assert same(ours(SCALARS[bool], text), pydantics(ADAPTERS[bool], text))


@given(mutated("0123456789_+-. eE,naif", "1.50", "1E+3", "-0", "inf", "sNaN"))
def test_decimal(text: str) -> None:
    assert same(ours(SCALARS[Decimal], text), pydantics(ADAPTERS[Decimal], text))


@given(
    mutated(
        "0123456789-T:Z +",
        "2020-01-31",
        "2020-02-29T00:00:00",
        "1580428800",
        "1580428800.0",
        "0000-01-01",
        "2021-02-29",
    )
)
def test_date(text: str) -> None:
    assert same(ours(SCALARS[date], text), pydantics(ADAPTERS[date], text))


@settings(max_examples=300)
@given(
    mutated(
        "0123456789-T:Z +._",
        "2020-01-31T12:30:15.123456+01:00",
        "2020-01-31 12:30Z",
        "2020-01-31",
        "1580428800.5",
        "20000000001",
        "-1580428800",
        "253402300799",
    )
)
@example("2020-01-31T12:30:15\u221201:00")
@example("0000-01-01T00:00:00")
@example("99999999999999999999")
def test_datetime(text: str) -> None:
    assert same(ours(SCALARS[datetime], text), pydantics(ADAPTERS[datetime], text))


@given(mutated("0123456789:Zz+-.,", "12:30:15.123456+01:00", "12:30Z", "23:59:59,5", "00:00-0130"))
def test_time(text: str) -> None:
    assert same(ours(SCALARS[time], text), pydantics(ADAPTERS[time], text))


@pytest.mark.parametrize(
    "text",
    [
        *("P1D", "PT1H", "P1DT1H30M", "-P1D", "+P1D", "P1Y2M3W4DT5H6M7.8S", "P1.5D", "PT0.5S", "P1.Y", "P", "P1"),
        *("PT1X", "PTT", "p1d", "P1000000000D", "P99999999999D", "1d", "01:00", "1:00", "01:00:00.5", "100:02:03"),
        *("-01:00:00", "24:00:00", "01:60:00", "1", "1.5", "abc"),
        *("1 day", "1 days", "1 day 01:00", "1 d", "1 dx", "1d x"),
        *("1 days, 01:02:03.4", "1 days, 24:00:00", "", " P1D", "02:03:04x", "P1.5Y1D", "9999999999:00:00"),
    ],
)
def test_timedelta(text: str) -> None:
    assert same(ours(SCALARS[timedelta], text), pydantics(ADAPTERS[timedelta], text))


@given(
    mutated(
        "0123456789abcdefABCDEFg-{}",
        "12345678-1234-5678-1234-567812345678",
        "12345678123456781234567812345678",
        "{12345678-1234-5678-1234-567812345678}",
        "urn:uuid:12345678-1234-5678-1234-567812345678",
    )
)
def test_uuid_accepts_what_pydantic_accepts(text: str) -> None:
    mine, theirs = ours(SCALARS[UUID], text), pydantics(ADAPTERS[UUID], text)
    assert mine[0] == theirs[0]
    assert mine[0] != "ok" or mine == theirs


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "12345678-1234-5678-1234-56781234567",
        "12345678-1234-5678-1234-56781234567g",
        "12345678-1234-5678-12345678-12345678",
        "12345678-1234-5678-1234-5678-12345678",
        "123456781234567812345678123456789",
        "1234567\xe9123456781234567812345678",
        "{12345678123456781234567812345678}",
    ],
)
def test_uuid_errors(text: str) -> None:
    assert ours(SCALARS[UUID], text) == pydantics(ADAPTERS[UUID], text)


class Colour(enum.Enum):
    red = "r"
    green = "g"


class Number(enum.IntEnum):
    one = 1
    two = 2


class Mixed(enum.Enum):
    one = 1
    half = 0.5


class Word(str, enum.Enum):  # noqa: UP042 - the older way to write it
    a = "a"
    b = "b"


@pytest.mark.parametrize("kind", [Colour, Number, Mixed, Word])
@pytest.mark.parametrize("text", ["r", "red", "1", "1.0", " 2", "+1", "3", "one", "0.5", "a", "c", ""])
def test_enums(kind: type[enum.Enum], text: str) -> None:
    assert ours(enum_converter(kind), text) == pydantics(TypeAdapter(kind), text)


@pytest.mark.parametrize("kind", [Literal["a"], Literal["a", "b"], Literal["a", "b", "c"], Literal[1, "b"]])
@pytest.mark.parametrize("text", ["a", "b", "1", "", "d"])
def test_literals(kind: Any, text: str) -> None:
    assert ours(literal_converter(kind.__args__), text) == pydantics(TypeAdapter(kind), text)


@pytest.mark.parametrize(
    ("kind", "constraint", "texts"),
    [
        (int, {"ge": 3}, ["2", "3", "x"]),
        (int, {"gt": 3, "le": 5}, ["3", "4", "5", "6"]),
        (float, {"lt": 1.5}, ["1.4", "1.5", "2"]),
        (int, {"multiple_of": 3}, ["3", "4"]),
        (str, {"min_length": 2, "max_length": 3}, ["a", "ab", "abc", "abcd"]),
        (str, {"max_length": 1}, ["", "ab"]),
        (str, {"pattern": "^a+$"}, ["aa", "b"]),
    ],
)
def test_constraints(kind: type, constraint: dict[str, Any], texts: list[str]) -> None:
    from typing import Annotated

    import msgspec
    from pydantic import Field

    annotation: Any = Annotated[kind, Field(**constraint)]
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    convert = constrained(SCALARS[kind], msgspec.Meta(**constraint))
    for text in texts:
        assert ours(convert, text) == pydantics(adapter, text)
