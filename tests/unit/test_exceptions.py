"""Exceptions, and the handlers for them."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Sequence
from typing import Any

import fastapi
import fastapi.exception_handlers
import fastapi.exceptions
import pytest
import starlette.exceptions
from fastapi import FastAPI
from fastapi.testclient import TestClient as StarletteTestClient

import covet
import covet.exception_handlers
import covet.exceptions
from covet import CovetPy, HTTPException, Request

ERRORS: list[dict[str, Any]] = [
    {"type": "missing", "loc": ("query", "q"), "msg": "Field required", "input": None},
    {"type": "int_parsing", "loc": ("path", "n"), "msg": "Input should be", "input": "é"},
]
CONTEXT: Any = {"function": "root", "path": "GET /", "file": "main.py", "line": 5}
VALIDATION = ("RequestValidationError", "ResponseValidationError", "WebSocketRequestValidationError")


@pytest.mark.parametrize("name", VALIDATION)
@pytest.mark.parametrize("context", [None, CONTEXT, {"path": "GET /"}, {"function": "root"}])
def test_validation_errors(name: str, context: Any) -> None:
    ours = getattr(covet.exceptions, name)(ERRORS, endpoint_ctx=context)
    theirs = getattr(fastapi.exceptions, name)(ERRORS, endpoint_ctx=context)
    assert str(ours) == str(theirs)
    assert str(getattr(covet.exceptions, name)([])) == str(getattr(fastapi.exceptions, name)([]))
    assert ours.errors() == ERRORS
    assert isinstance(ours, covet.exceptions.ValidationException)
    for attribute in ("endpoint_ctx", "endpoint_function", "endpoint_path", "endpoint_file", "endpoint_line"):
        assert getattr(ours, attribute) == getattr(theirs, attribute)


@pytest.mark.parametrize("name", ["RequestValidationError", "ResponseValidationError"])
def test_validation_errors_keep_the_body(name: str) -> None:
    assert getattr(covet.exceptions, name)(ERRORS, body={"a": 1}).body == {"a": 1}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("HTTPException", (404,)),
        ("HTTPException", (418, {"a": 1}, {"X-A": "b"})),
        ("HTTPException", (499,)),
        ("WebSocketException", (1008,)),
        ("WebSocketException", (1008, "no")),
    ],
)
def test_texts_are_fastapis(name: str, arguments: tuple[Any, ...]) -> None:
    ours, theirs = getattr(covet.exceptions, name)(*arguments), getattr(fastapi.exceptions, name)(*arguments)
    assert (str(ours), repr(ours), vars(ours)) == (str(theirs), repr(theirs), vars(theirs))
    assert vars(pickle.loads(pickle.dumps(ours))) == vars(ours)


def test_a_disconnect() -> None:
    error = covet.exceptions.WebSocketDisconnect()
    assert (error.code, error.reason) == (1000, "")
    error = covet.exceptions.WebSocketDisconnect(1001, "bye")
    assert (error.code, error.reason) == (1001, "bye")


def foreign_routes(app: Any, raised: type[Exception]) -> None:
    """The same application under both frameworks, raising Starlette's own exception."""

    async def root(status: int) -> None:
        raise raised(status, "as asked", {"X-Reason": "test"})

    def plain() -> None:
        raise raised(409)

    app.get("/raised/{status}")(root)
    app.get("/plain")(plain)


PATHS = ("/raised/404", "/raised/204", "/raised/503", "/plain", "/unknown")


def answers(app: Any, paths: Sequence[str] = PATHS) -> list[Any]:
    with StarletteTestClient(app) as client:
        found = [client.get(path) for path in paths]
        return [
            (each.status_code, each.content, each.headers.get("x-reason"), each.headers.get("content-type"))
            for each in found
        ]


@pytest.mark.parametrize("handled", [False, True])
def test_starlettes_exception_is_answered_as_ours(handled: bool) -> None:
    ours, theirs = CovetPy(), FastAPI()
    for app in (ours, theirs):
        foreign_routes(app, starlette.exceptions.HTTPException)
        if handled:
            response = covet.PlainTextResponse if app is ours else fastapi.responses.PlainTextResponse

            def handle(request: Any, error: Any, response: Any = response) -> Any:
                return response(f"handled {error.detail}", error.status_code)

            app.exception_handler(starlette.exceptions.HTTPException)(handle)
    # A 204 of ours never has a body, whatever the handler says.
    paths = [path for path in PATHS if not (handled and path.endswith("204"))]
    assert answers(ours, paths) == answers(theirs, paths)


def test_a_handler_for_our_class_takes_starlettes() -> None:
    app = CovetPy()
    foreign_routes(app, starlette.exceptions.HTTPException)

    @app.exception_handler(HTTPException)
    async def handle(request: Request, error: HTTPException) -> covet.PlainTextResponse:
        return covet.PlainTextResponse(f"handled {error.detail}", error.status_code)

    assert [each[1] for each in answers(app)] == [
        b"handled as asked", b"", b"handled as asked", b"handled Conflict", b"handled Not Found",
    ]  # fmt: skip


def test_a_handler_for_starlettes_class_takes_ours_unless_there_is_one_for_it() -> None:
    app = CovetPy()
    foreign_routes(app, HTTPException)

    @app.exception_handler(starlette.exceptions.HTTPException)
    async def foreign(request: Request, error: HTTPException) -> covet.PlainTextResponse:
        return covet.PlainTextResponse("foreign", error.status_code)

    assert answers(app)[2][1] == b"foreign"

    @app.exception_handler(HTTPException)
    async def own(request: Request, error: HTTPException) -> covet.PlainTextResponse:
        return covet.PlainTextResponse("own", error.status_code)

    assert answers(app)[2][1] == b"own"


class Closed:
    """A WebSocket that remembers how it was closed."""

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        self.code, self.reason = code, reason


def test_handlers_for_handlers_of_ones_own() -> None:
    request: Any = None
    for error in (
        covet.HTTPException(418, {"a": 1}, {"X-A": "b"}),
        starlette.exceptions.HTTPException(304),
        covet.HTTPException(204),
    ):
        ours = asyncio.run(covet.exception_handlers.http_exception_handler(request, error))  # type: ignore[arg-type]
        theirs = asyncio.run(fastapi.exception_handlers.http_exception_handler(request, error))  # type: ignore[arg-type]
        assert (ours.status_code, ours.body) == (theirs.status_code, theirs.body)
        assert ours.headers.get("x-a") == theirs.headers.get("x-a")
    invalid = asyncio.run(
        covet.exception_handlers.request_validation_exception_handler(
            request, covet.exceptions.RequestValidationError(ERRORS)
        )
    )
    expected = asyncio.run(
        fastapi.exception_handlers.request_validation_exception_handler(
            request, fastapi.exceptions.RequestValidationError(ERRORS)
        )
    )
    assert (invalid.status_code, invalid.body) == (expected.status_code, expected.body)
    socket = Closed()
    refused = covet.exceptions.WebSocketRequestValidationError(ERRORS)
    asyncio.run(covet.exception_handlers.websocket_request_validation_exception_handler(socket, refused))
    assert socket.code == 1008
    assert (socket.reason or "").startswith('[{"type":"missing"')
    assert len((socket.reason or "").encode()) <= 123
