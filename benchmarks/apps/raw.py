"""The smallest ASGI callables that do what each row asks."""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]

JSON = [(b"content-type", b"application/json"), (b"content-length", b"23")]
BODY = b'{"item_id":5,"q":"abc"}'
MEGABYTE = b"x" * 1_000_000
HEAD = [(b"content-type", b"application/octet-stream"), (b"content-length", b"1000000")]


async def answer(send: Send, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, JSON, BODY)


async def routed(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/block":
        time.sleep(0.05)
    await answer(send, JSON, BODY)


async def sleep(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(0.01)
    await answer(send, JSON, BODY)


async def upload(scope: Scope, receive: Receive, send: Send) -> None:
    total, more = 0, True
    while more:
        message = await receive()
        total += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = b'{"bytes":%d}' % total
    await answer(send, [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))], body)


async def download(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, HEAD, MEGABYTE)
