"""Generated code and the general way give the same results."""

from __future__ import annotations

import asyncio
import enum
import threading
from collections.abc import Callable
from contextvars import ContextVar
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet import Query
from covet.callgen import make_call
from covet.exceptions import RequestValidationError
from covet.parameter import Parameter, plain_parameters
from covet.requests import Context, Request

from .fakes import FakeExchange


def plain(handler: Callable[..., Any], path: tuple[str, ...], route: str) -> list[Parameter]:
    found = plain_parameters(handler, path, route)
    assert found is not None
    return found


class Size(enum.Enum):
    small = "s"
    large = "l"


def call_both(handler: Callable[..., Any], path: tuple[str, ...], **exchange: Any) -> Any:
    """What `handler` gives by either way; asserts that it is the same."""
    parameters = plain(handler, path, "route")
    context = Context(None, {1: path}, {})  # type: ignore[arg-type]
    results = []
    for generate in (True, False):
        call = make_call(handler, parameters, context.request_of, generate=generate)
        try:
            results.append(call(FakeExchange(**exchange)))  # type: ignore[arg-type]
        except RequestValidationError as error:
            results.append(("invalid", error.errors()))
    assert repr(results[0]) == repr(results[1])
    return results[0]


def everything(
    number: int,
    word: str,
    ratio: float,
    needed: str,
    count: int = 7,
    share: float | None = None,
    on: bool = False,
    text: str | None = None,
    day: date | None = None,
    size: Size = Size.small,
    order: Literal["a", "b"] = "a",
    tags: Annotated[list[int], Query()] = [1],  # noqa: B006 - a default list is copied for each request
    key: UUID | None = None,
    *,
    only: int = 3,
) -> tuple[Any, ...]:
    return number, word, ratio, needed, count, share, on, text, day, size, order, tags, key, only


NUMBERS = st.sampled_from(["5", "-5", "+5", " 5 ", "5.0", "1_0", "007", "x", "", "9" * 20, "1.5", "1e3", "nan"])
WORDS = st.one_of(NUMBERS, st.sampled_from(["true", "YES", "2020-01-31", "s", "l", "a", "b", "é", "12345678" * 4]))
NAMES = ["needed", "count", "share", "on", "text", "day", "size", "order", "tags", "key", "only", "other"]


@given(NUMBERS, WORDS, NUMBERS, st.lists(st.tuples(st.sampled_from(NAMES), WORDS), max_size=8))
def test_both_ways_agree(number: str, word: str, ratio: str, query: list[tuple[str, str]]) -> None:
    from urllib.parse import urlencode

    call_both(everything, ("number", "word", "ratio"), params=(number, word, ratio), query=urlencode(query))


def test_values() -> None:
    result = call_both(
        everything,
        ("number", "word", "ratio"),
        params=("5", "five", "2.5"),
        query="needed=n&count=%2B5&on=yes&day=2020-01-31&size=l&order=b&tags=1&tags=2&only=9&share=.5&text=",
    )
    assert result == (5, "five", 2.5, "n", 5, 0.5, True, "", date(2020, 1, 31), Size.large, "b", [1, 2], None, 9)


def test_all_errors_are_collected_those_of_the_path_first() -> None:
    def handler(q: int, must: str, item: int, tags: Annotated[list[int], Query()]) -> None: ...

    kind, errors = call_both(handler, ("item",), params=("x",), query="q=y&tags=1&tags=z")
    assert kind == "invalid"
    assert [(error["type"], error["loc"], error["input"]) for error in errors] == [
        ("int_parsing", ("path", "item"), "x"),
        ("int_parsing", ("query", "q"), "y"),
        ("missing", ("query", "must"), None),
        ("int_parsing", ("query", "tags", 1), "z"),
    ]


def test_a_default_list_is_not_shared() -> None:
    def handler(tags: Annotated[list[str], Query()] = ["a"]) -> list[str]:  # noqa: B006
        tags.append("b")
        return tags

    assert call_both(handler, ()) == ["a", "b"]


def test_the_last_of_several_values_counts() -> None:
    def handler(q: int) -> int:
        return q

    assert call_both(handler, (), query="q=x&q=2") == 2


def test_the_request_is_the_same_object_each_time() -> None:
    def handler(request: Request, again: Request) -> bool:
        return request is again

    assert call_both(handler, ()) is True


def test_no_request_is_made_for_scalars() -> None:
    def handler(item: int, q: str | None = None) -> int:
        return item

    for generate in (True, False):
        x = FakeExchange(params=("5",))
        call = make_call(handler, plain(handler, ("item",), "r"), lambda x: pytest.fail(), generate=generate)
        assert call(x) == 5  # type: ignore[arg-type]
        assert x.state is None


variable: ContextVar[str] = ContextVar("variable")


@pytest.mark.parametrize("generate", [True, False])
def test_blocking_handlers_run_in_a_thread_with_the_context(generate: bool) -> None:
    def handler(item: int) -> tuple[int, str, bool]:
        return item, variable.get(), threading.current_thread() is threading.main_thread()

    async def main() -> Any:
        variable.set("here")
        call = make_call(
            handler, plain(handler, ("item",), "r"), lambda x: pytest.fail(), blocking=True, generate=generate
        )
        return await call(FakeExchange(params=("5",)))  # type: ignore[arg-type]

    assert asyncio.run(main()) == (5, "here", False)


def test_a_handler_that_asks_is_cancelled_when_the_client_goes() -> None:
    seen = []

    async def handler() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def main() -> None:
        x = FakeExchange()
        call = make_call(handler, [], lambda x: pytest.fail(), cancel=True)
        task = asyncio.ensure_future(call(x))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        x.disconnect()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert seen == ["cancelled"]


def test_a_handler_that_is_done_is_not_cancelled_any_more() -> None:
    async def handler() -> str:
        return "done"

    async def main() -> str:
        x = FakeExchange()
        result: str = await make_call(handler, [], lambda x: pytest.fail(), cancel=True)(x)  # type: ignore[arg-type]
        x.disconnect()
        await asyncio.sleep(0)
        return result

    assert asyncio.run(main()) == "done"
