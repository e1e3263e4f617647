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

BASE = "http://example.com"
IGNORED = {"date", "server"}


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


def ask(app: Any, asked: Sequence[Asked], ignored: Sequence[str] = ()) -> list[Answered]:
    """Asks an ASGI application in memory; cookies are kept."""

    async def all_of_them() -> list[Answered]:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, follow_redirects=False) as client:
            answers = []
            for each in asked:
                response = await client.request(
                    each.method, each.base + each.path, headers=each.headers, content=each.content
                )
                answers.append(answered(response, ignored))
            return answers

    return asyncio.run(asyncio.wait_for(all_of_them(), 60))


def compare(build: Build, asked: Sequence[Asked], ignored: Sequence[str] = ()) -> list[Answered]:
    """Asks the application made for FastAPI, and for CovetPy in both ways; all must answer alike."""
    expected = ask(build(FASTAPI), asked, ignored)
    assert ask(build(COVET), asked, ignored) == expected
    over_asgi = build(COVET)
    over_asgi.user_middleware.append(covet.middleware.Middleware(PassOn))
    assert ask(over_asgi, asked, ignored) == expected
    return expected
