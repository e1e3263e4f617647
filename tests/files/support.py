"""Requests to ASGI applications with paths that no client would send, and the answers."""

from __future__ import annotations

import asyncio
from typing import Any

HEADERS = (
    "content-type", "content-length", "content-range", "content-disposition", "accept-ranges", "etag", "last-modified",
    "location", "allow",
)  # fmt: skip

Answer = tuple[int, dict[str, str], bytes]


def asked(
    app: Any, path: str, *, method: str = "GET", root_path: str = "", extensions: Any = None, **fields: str
) -> Answer:
    """What an ASGI application answers. Raises what it raises.

    Args:
        app: the application.
        path: the decoded path.
        method: the method.
        root_path: where the application is mounted.
        extensions: the scope's extensions.
        fields: header fields, with underscores for hyphens.
    """
    raw = [(b"host", b"test")]
    raw += [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in fields.items()]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("utf-8", "surrogateescape"),
        "root_path": root_path,
        "query_string": b"",
        "headers": raw,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "extensions": extensions or {},
    }
    messages: list[Any] = []

    given = False

    async def receive() -> Any:
        nonlocal given
        if given:
            await asyncio.Event().wait()
        given = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        messages.append(message)

    asyncio.run(app(scope, receive, send))
    head, *rest = messages
    headers = {name.decode(): value.decode("latin-1") for name, value in head["headers"]}
    body = b"".join(message.get("body", b"") for message in rest)
    for message in rest:
        if message["type"] == "http.response.pathsend":
            body += b"path:" + str(message["path"]).encode()
    return head["status"], {name: headers[name] for name in HEADERS if name in headers}, body
