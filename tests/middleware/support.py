"""Applications with middleware, made for CovetPy and for Starlette alike, and the ways in which they are run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import fastapi
import httpx
import starlette.responses

import covet
import covet.streaming
from covet.middleware import Middleware
from covet.middleware.base import BaseHTTPMiddleware
from covet.testing.live import LiveServer

BASE = "http://example.com"
IGNORED = {"date", "server", "transfer-encoding", "connection"}


@dataclass(frozen=True)
class Framework:
    """What an application is made of."""

    app: Callable[..., Any]
    request: Any
    Response: Any
    JSONResponse: Any
    PlainTextResponse: Any
    StreamingResponse: Any
    HTTPException: Any
    middleware: str


COVET = Framework(
    covet.CovetPy, covet.Request, covet.Response, covet.JSONResponse, covet.PlainTextResponse,
    covet.streaming.StreamingResponse, covet.HTTPException, "covet.middleware",
)  # fmt: skip
FASTAPI = Framework(
    fastapi.FastAPI, fastapi.Request, starlette.responses.Response, starlette.responses.JSONResponse,
    starlette.responses.PlainTextResponse, starlette.responses.StreamingResponse, fastapi.HTTPException,
    "starlette.middleware",
)  # fmt: skip

Build = Callable[[Framework], Any]


class PassOn:
    """An ASGI middleware that changes nothing; with it everything outside of it runs over ASGI."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str = "GET"
    path: str = "/"
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None
    base: str = BASE


@dataclass(frozen=True)
class Answered:
    """What of a response is compared: status, header fields in any order, body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def answered(response: httpx.Response, ignored: Sequence[str] = ()) -> Answered:
    """What is compared of a response."""
    left_out = IGNORED | set(ignored)
    headers = sorted((name.lower(), value) for name, value in response.headers.multi_items())
    return Answered(response.status_code, [pair for pair in headers if pair[0] not in left_out], response.content)


class Cookies:
    """A client's cookies, which are sent whatever the path and the scheme."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def fields(self) -> dict[str, str]:
        """The request field that holds them."""
        return {"Cookie": "; ".join(f"{k}={v}" for k, v in self._values.items())} if self._values else {}

    def keep(self, response: httpx.Response) -> None:
        """Takes what a response sets."""
        for line in response.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            if "1970" in line:
                self._values.pop(name, None)
            else:
                self._values[name] = value


def ask(app: Any, asked: Sequence[Asked], ignored: Sequence[str] = ()) -> list[Answered]:
    """Asks an ASGI application in memory; cookies are kept."""

    async def all_of_them() -> list[Answered]:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, follow_redirects=False) as client:
            answers, cookies = [], Cookies()
            for each in asked:
                headers = {**cookies.fields(), **each.headers}
                response = await client.request(
                    each.method, each.base + each.path, headers=headers, content=each.content
                )
                client.cookies.clear()
                cookies.keep(response)
                answers.append(answered(response, ignored))
            return answers

    return asyncio.run(asyncio.wait_for(all_of_them(), 60))


def without_length(answer: Answered) -> Answered:
    """The answer without its Content-Length."""
    return Answered(answer.status, [pair for pair in answer.headers if pair[0] != "content-length"], answer.body)


def ask_live(app: Any, asked: Sequence[Asked], ignored: Sequence[str] = (), **options: Any) -> list[Answered]:
    """Asks an application behind the engine; cookies are kept."""
    answers, cookies = [], Cookies()
    with LiveServer(app, forwarded_allow_ips="127.0.0.1", **options) as server, httpx.Client() as client:
        for each in asked:
            base = httpx.URL(each.base)
            forwarded = {"Host": base.netloc.decode(), "X-Forwarded-Proto": base.scheme}
            headers = {**forwarded, **cookies.fields(), **each.headers}
            response = client.request(each.method, server.url + each.path, headers=headers, content=each.content)
            client.cookies.clear()
            cookies.keep(response)
            answers.append(answered(response, ignored))
    return answers


async def hand_on(request: Any, call_next: Any) -> Any:
    """A middleware that changes nothing."""
    return await call_next(request)


def in_python(app: Any) -> Any:
    """The application, none of whose middleware runs in the engine, as one that cannot is outside of it."""
    app.user_middleware.insert(0, Middleware(BaseHTTPMiddleware, dispatch=hand_on))
    return app


def over_asgi(build: Build) -> Any:
    """The application, all of whose middleware runs over ASGI."""
    app = build(COVET)
    app.user_middleware.append(Middleware(PassOn))
    return app


def compare(
    build: Build, asked: Sequence[Asked], ignored: Sequence[str] = (), *, live: Sequence[Asked] | None = None
) -> list[Answered]:
    """Asks the application made for FastAPI, and for CovetPy in all ways; all must answer alike.

    Args:
        build: makes the application.
        asked: the requests.
        ignored: header fields that are not compared.
        live: the requests that the engine is asked, if not all of them.
    """
    expected = ask(build(FASTAPI), asked, ignored)
    assert ask(build(COVET), asked, ignored) == expected
    assert ask(over_asgi(build), asked, ignored) == expected
    some = asked if live is None else live
    expected_live = expected if live is None else ask(build(FASTAPI), some, ignored)
    for made in (in_python(build(COVET)), in_python(over_asgi(build))):
        assert ask_live(made, some, ignored) == expected_live
    # The engine compresses to other bytes, so lengths differ.
    in_engine = ask_live(build(COVET), some, [*ignored, "content-length"])
    assert in_engine == [without_length(each) for each in expected_live]
    return expected
