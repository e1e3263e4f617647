"""What may stand in a handler's signature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any, NewType, Optional

import msgspec
import pytest

from covet import CovetPy, Depends, Path, Query, Request
from covet.exceptions import DeclarationError, FieldTypeError
from covet.parameter import Parameter, plain_parameters

UserId = NewType("UserId", int)


def plain(handler: Callable[..., Any], path: Sequence[str], route: str) -> list[Parameter]:
    found = plain_parameters(handler, path, route)
    assert found is not None
    return found


def kinds(handler: Callable[..., Any], *path: str) -> list[tuple[str, str, Any, bool]]:
    return [(p.name, p.source, p.native, p.many) for p in plain(handler, path, "GET /x")]


def test_sources_and_types() -> None:
    def handler(  # type: ignore[no-untyped-def]
        a: int,
        request: Request,
        b: Optional[str] = None,  # noqa: UP045 - both ways to write it
        c: "Annotated[list[float], Query()]" = [],  # noqa: B006, UP037
        d: UserId = UserId(1),
        e=None,
        f: Annotated[bool, "a note"] = False,
        g: Annotated[int, msgspec.Meta(ge=1)] = 1,
        h: Annotated[Request, "same"] | None = None,
    ) -> None: ...

    assert kinds(handler, "a") == [
        ("a", "path", int, False),
        ("request", "request", None, False),
        ("b", "query", str, False),
        ("c", "query", None, True),
        ("d", "query", int, False),
        ("e", "query", str, False),
        ("f", "query", bool, False),
        ("g", "query", None, False),
        ("h", "request", None, False),
    ]


class Handler:
    async def __call__(self, item: int) -> int:
        return item


def test_variables_of_an_enclosing_function_may_come_later() -> None:
    async def handler(a: int, request: Request) -> list[Any]:
        return [later]

    assert [parameter.name for parameter in plain(handler, (), "route")] == ["a", "request"]
    later = 1


def test_objects_and_partials_are_handlers() -> None:
    async def add(a: int, b: int) -> int:
        return a + b

    assert kinds(Handler(), "item") == [("item", "path", int, False)]
    assert [name for name, *_ in kinds(partial(add, 1))] == ["b"]
    app = CovetPy()
    assert not app.add_route("/a/{item}", Handler()).blocking
    assert not app.add_route("/b", partial(add, 1)).blocking


class Unknown: ...


def bad_type(a: Unknown) -> None: ...
def bad_path_and_query(a: int = Path()) -> None: ...
def bad_twice(a: Annotated[int, Query()] = Query(1)) -> None: ...
def bad_default(a: Annotated[int, Query(1)]) -> None: ...
def bad_dict(a: Annotated[dict[str, int], Query()]) -> None: ...
def bad_depends(a: int = Depends(3)) -> None: ...  # type: ignore[call-overload]
def bad_name(a: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def bad_path_list(item: list[int]) -> None: ...


@pytest.mark.parametrize(
    "handler",
    [bad_type, bad_path_and_query, bad_twice, bad_default, bad_dict, bad_depends, bad_name, bad_path_list],
)
def test_what_cannot_come_from_a_request_is_refused_when_it_is_registered(handler: Callable[..., Any]) -> None:
    name = "item" if handler is bad_path_list else "a"
    with pytest.raises((DeclarationError, FieldTypeError), match=rf"^route GET /x/{{item}}: .*'{name}'"):
        CovetPy().get("/x/{item}")(handler)
