"""From results and exceptions to answers."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import ipaddress
import json
import pathlib
import re
import uuid
from collections import OrderedDict, deque
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pydantic
import pytest

from covet import (
    ClientDisconnect,
    CovetPy,
    HTTPException,
    JSONResponse,
    PlainTextResponse,
    Request,
    RequestValidationError,
)
from covet.dispatch import Dispatcher
from covet.requests import Context

from .fakes import FakeExchange, fields_of


def dispatcher(app: CovetPy, status: int = 200) -> Dispatcher:
    context = Context(app, {}, {})
    return Dispatcher(context, app.exception_handlers, {1: status}, debug=app.debug)


def settled(answer: Any) -> None:
    if answer is not None:

        async def drive() -> None:
            await answer

        asyncio.run(drive())


def rendered(result: Any, status: int = 200) -> FakeExchange:
    x = FakeExchange()
    settled(dispatcher(CovetPy(), status).render(x, result))  # type: ignore[arg-type]
    return x


def failed(app: CovetPy, error: BaseException, **exchange: Any) -> FakeExchange:
    x = FakeExchange(**exchange)
    settled(dispatcher(app).fail(x, error))  # type: ignore[arg-type]
    return x


@dataclasses.dataclass
class Point:
    x: int
    y: int = 2


class Row(msgspec.Struct):
    a: int


class Model(pydantic.BaseModel):
    when: date
    name: str = pydantic.Field(serialization_alias="Name")


class Kind(enum.Enum):
    a = "A"


class Text(str):
    __slots__ = ()


KEY = uuid.UUID("12345678-1234-5678-1234-567812345678")


@pytest.mark.parametrize(
    ("result", "value"),
    [
        ({"a": 1}, {"a": 1}),
        ([1, 2], [1, 2]),
        ("text", "text"),
        (None, None),
        (5, 5),
        (True, True),
        (2.5, 2.5),
        (float("nan"), None),
        ((1, "two"), [1, "two"]),
        ((), []),
        ({1}, [1]),
        (frozenset("a"), ["a"]),
        (Point(1), {"x": 1, "y": 2}),
        (Row(1), {"a": 1}),
        (Model(when=date(2026, 1, 2), name="n"), {"when": "2026-01-02", "Name": "n"}),
        ([Model(when=date(2026, 1, 2), name="n")], [{"when": "2026-01-02", "Name": "n"}]),
        (Kind.a, "A"),
        (KEY, str(KEY)),
        (datetime(2026, 1, 2, 3, 4), "2026-01-02T03:04:00"),
        (Decimal("1.50"), 1.5),
        (Text("t"), "t"),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (deque([1]), [1]),
        ((n for n in (1, 2)), [1, 2]),
        (pathlib.PurePosixPath("/a"), "/a"),
        (ipaddress.ip_address("::1"), "::1"),
        (re.compile("a+"), "a+"),
    ],
)
def test_values_become_json(result: Any, value: Any) -> None:
    x = rendered(result)
    assert (x.status, x.media, json.loads(x.sent)) == (200, 1, value)


def test_bytes_are_sent_as_they_are() -> None:
    x = rendered(bytearray(b"\xff"), 201)
    assert (x.status, x.media, x.sent) == (201, 4, b"\xff")


def test_tuples_name_status_and_headers() -> None:
    x = rendered(({"id": 7}, 201, {"location": "/7"}))
    assert (x.status, x.media, x.sent, fields_of(x)) == (201, 1, b'{"id":7}', [(b"location", b"/7")])
    x = rendered((b"raw", 202, None))
    assert (x.status, x.media, x.sent) == (202, 4, b"raw")
    x = rendered((PlainTextResponse("t"), 203, {"a": "b"}))
    assert (x.status, x.media, x.sent, fields_of(x)) == (203, 2, b"t", [(b"a", b"b")])
    x = rendered((None, 204))
    assert (x.status, x.media, x.sent) == (204, 0, b"")


@pytest.mark.parametrize("result", [(1, 2), (1, True), (1, 600), (1, "200"), (1, 200, {}, 4)])
def test_other_tuples_are_lists(result: tuple[Any, ...]) -> None:
    assert json.loads(rendered(result).sent) == list(result)


def test_a_route_without_content_sends_none() -> None:
    x = rendered({"ignored": 1}, 204)
    assert (x.status, x.media, x.sent) == (204, 0, b"")


def test_what_has_no_json_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    x = rendered(object())
    assert (x.status, x.sent) == (500, b"Internal Server Error")
    assert "a value of type object has no form in JSON" in caplog.text


def test_something_to_await_is_awaited() -> None:
    class Later:
        def __await__(self) -> Any:
            yield from asyncio.sleep(0).__await__()
            return {"a": 1}

    assert rendered(Later()).sent == b'{"a":1}'


def test_http_exceptions() -> None:
    x = failed(CovetPy(), HTTPException(418, {"k": 1}, {"x-a": "b"}))
    assert (x.status, x.media, x.sent, fields_of(x)) == (418, 1, b'{"detail":{"k":1}}', [(b"x-a", b"b")])
    assert failed(CovetPy(), HTTPException(404)).sent == b'{"detail":"Not Found"}'
    assert failed(CovetPy(), HTTPException(304)).sent == b""
    assert str(HTTPException(404)) == "404: Not Found"
    assert repr(HTTPException(499)) == "HTTPException(status_code=499, detail='')"


def test_validation_errors() -> None:
    errors = [{"type": "missing", "loc": ["query", "q"], "msg": "Field required", "input": None}]
    x = failed(CovetPy(), RequestValidationError(errors))
    assert (x.status, json.loads(x.sent)) == (422, {"detail": errors})


def test_a_client_that_breaks_off_is_no_error_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    x = failed(CovetPy(), ClientDisconnect("the body ended early"))
    assert (x.status, x.sent, caplog.records) == (400, b'{"detail":"the body ended early"}', [])


def test_other_exceptions_are_logged_and_hidden(caplog: pytest.LogCaptureFixture) -> None:
    x = failed(CovetPy(), KeyError("secret"))
    assert (x.status, x.media, x.sent) == (500, 2, b"Internal Server Error")
    assert "KeyError: 'secret'" in caplog.text
    assert caplog.records[0].name == "covet.error"


def test_debug_shows_the_traceback(caplog: pytest.LogCaptureFixture) -> None:
    app = CovetPy(debug=True)
    x = failed(app, KeyError("<secret>"))
    assert (x.status, x.media) == (500, 2) and b"KeyError: '<secret>'" in x.sent
    x = failed(app, KeyError("<secret>"), headers=((b"accept", b"text/html,*/*"),))
    assert x.media == 3 and b"&lt;secret&gt;" in x.sent
    assert len(caplog.records) == 2


class Shop(Exception): ...


class OutOfStock(Shop): ...


def shop_app() -> CovetPy:
    app = CovetPy()

    @app.exception_handler(Shop)
    async def shop(request: Request, error: Shop) -> Any:
        return JSONResponse({"path": request.url.path, "error": repr(error)}, 409)

    @app.exception_handler(404)
    def not_found(request: Request, error: HTTPException) -> Any:
        return {"nothing": error.detail}, 404

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Any:
        return PlainTextResponse("bad", 400)

    return app


def test_exception_handlers(caplog: pytest.LogCaptureFixture) -> None:
    app = shop_app()
    x = failed(app, OutOfStock())
    assert (x.status, x.sent) == (409, b'{"path":"/","error":"OutOfStock()"}')
    x = failed(app, HTTPException(404, "x"))
    assert (x.status, x.sent) == (404, b'{"nothing":"x"}')
    assert failed(app, HTTPException(405)).sent == b'{"detail":"Method Not Allowed"}'
    assert failed(app, RequestValidationError([])).status == 400
    assert caplog.records == []


@pytest.mark.parametrize("key", [Exception, 500])
def test_a_handler_for_everything(key: Any, caplog: pytest.LogCaptureFixture) -> None:
    app = CovetPy()
    app.add_exception_handler(key, lambda request, error: PlainTextResponse("sorry", 500))
    assert failed(app, KeyError("logged")).sent == b"sorry"
    assert "logged" in caplog.text
    assert failed(app, HTTPException(404)).sent == b'{"detail":"Not Found"}'


def test_an_exception_handler_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    app = CovetPy()

    @app.exception_handler(Shop)
    async def broken(request: Request, error: Shop) -> Any:
        raise RuntimeError("worse")

    assert failed(app, Shop()).sent == b"Internal Server Error"
    assert "worse" in caplog.text


def test_after_the_answer_has_begun_it_can_only_be_cut_short(caplog: pytest.LogCaptureFixture) -> None:
    x = FakeExchange()
    x.start(200, 0, b"", -1)
    settled(dispatcher(shop_app()).fail(x, ValueError("late")))  # type: ignore[arg-type]
    assert x.aborted and "late" in caplog.text


def test_cancelled_handlers() -> None:
    assert failed(CovetPy(), asyncio.CancelledError()).status == 503
    x = FakeExchange()
    x.disconnect()
    settled(dispatcher(CovetPy()).fail(x, asyncio.CancelledError()))  # type: ignore[arg-type]
    assert x.aborted and not x.started


@pytest.mark.parametrize("key", ["404", 99, BaseException, None, True])
def test_wrong_keys_of_exception_handlers(key: Any) -> None:
    with pytest.raises(TypeError, match="exception class or a status"):
        CovetPy().exception_handler(key)(lambda request, error: None)
