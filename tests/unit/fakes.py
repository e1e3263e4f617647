"""An exchange in plain Python: the contract of core.pyi, with nothing behind it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote

from covet.core import BAD, BodyBroken

INT = re.compile(r"-?[0-9]{1,18}", re.ASCII)
FLOAT = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
BOOLS = {
    **dict.fromkeys(("true", "1", "on", "yes", "t", "y"), True),
    **dict.fromkeys(("false", "0", "off", "no", "f", "n"), False),
}


class FakeExchange:
    """One request whose answer is kept for the test to look at.

    Args:
        path: the path as it was sent.
        query: the query as it was sent.
        params: the path's parameters, decoded.
        body: pieces of the body; None is a time to wait, an exception is raised.
        room: how many bytes `send` takes before one must wait; each wait gives as much again.
    """

    def __init__(
        self,
        path: str = "/",
        query: str = "",
        *,
        method: str = "GET",
        params: tuple[str, ...] = (),
        headers: tuple[tuple[bytes, bytes], ...] = ((b"host", b"test:80"),),
        body: tuple[bytes | Exception | None, ...] = (),
        route: int = 1,
        verdict: int = 0,
        room: int = 1 << 30,
    ) -> None:
        self.route, self.verdict, self.method, self.scheme, self.http_version = route, verdict, method, "http", "1.1"
        self.raw_path, self.path = path.encode("latin-1"), unquote(path)
        self.raw_root = b""
        self.query_string = query.encode("latin-1")
        self.host = dict(headers).get(b"host", b"").decode("latin-1")
        self.client: tuple[str, int] | None = ("127.0.0.1", 5000)
        self.server: tuple[str, int] | None = ("127.0.0.1", 80)
        self.num_params = len(params)
        self.cancelled = self.started = self.done = self.aborted = False
        self.state: Any = None
        self.status, self.media, self.fields, self.length = 0, 0, b"", -1
        self.sent = b""
        self.params, self._headers, self._body = params, headers, list(body)
        self._room = self._left = room
        self._on_cancel: Callable[[], object] | None = None
        self.waiting: Callable[[], object] | None = None

    def path_str(self, index: int, /) -> str:
        return self.params[index]

    def path_int(self, index: int, /) -> Any:
        return self._int(self.params[index])

    def path_float(self, index: int, /) -> Any:
        return self._float(self.params[index])

    def _last(self, name: str, default: Any, convert: Callable[[str], Any]) -> Any:
        values = [value for key, value in self.query_items() if key == name]
        return convert(values[-1]) if values else default

    def query_str(self, name: str, default: Any, /) -> Any:
        return self._last(name, default, str)

    def query_int(self, name: str, default: Any, /) -> Any:
        return self._last(name, default, self._int)

    def query_float(self, name: str, default: Any, /) -> Any:
        return self._last(name, default, self._float)

    def query_bool(self, name: str, default: Any, /) -> Any:
        return self._last(name, default, lambda text: BOOLS.get(text.lower(), BAD) if text.isascii() else BAD)

    def query_items(self) -> list[tuple[str, str]]:
        return parse_qsl(self.query_string.decode("latin-1"), keep_blank_values=True)

    @staticmethod
    def _int(text: str) -> Any:
        return int(text) if INT.fullmatch(text) else BAD

    @staticmethod
    def _float(text: str) -> Any:
        return float(text) if FLOAT.fullmatch(text) and len(text) < 64 else BAD

    def header(self, name: bytes, /) -> bytes | None:
        return next((value for key, value in self._headers if key == name), None)

    def headers(self) -> list[tuple[bytes, bytes]]:
        return list(self._headers)

    def scope(self, template: dict[str, Any], /) -> dict[str, Any]:
        return {**template, "method": self.method, "path": self.path, "headers": self.headers()}

    @property
    def lost(self) -> bool:
        return self.cancelled

    def body_whole(self) -> bytes | None:
        if not self._body:
            return b""
        whole = self._body[0]
        return whole if len(self._body) == 1 and isinstance(whole, bytes) else None

    def read(self) -> bytes | None:
        piece = self._body.pop(0) if self._body else b""
        if isinstance(piece, Exception):
            raise piece
        return piece

    def wait(self, callback: Callable[[], object] | None, /) -> None:
        self._left = self._room
        self.waiting = callback
        if callback is not None:
            callback()

    def on_cancel(self, callback: Callable[[], object] | None, /) -> None:
        self._on_cancel = callback

    def disconnect(self) -> None:
        """The client goes away."""
        self.cancelled = True
        callback, self._on_cancel = self._on_cancel, None
        if callback is not None:
            callback()

    def respond(self, status: int, media_type: int, fields: bytes, body: Any, /) -> bool:
        assert not self.started
        self.start(status, media_type, fields, len(body))
        self.sent, self.done = bytes(body), True
        return True

    def start(self, status: int, media_type: int, fields: bytes, length: int, /) -> None:
        assert not self.started
        self.started = True
        self.status, self.media, self.fields, self.length = status, media_type, fields, length

    def send(self, data: Any, /) -> int:
        assert self.started and not self.done
        taken = min(len(data), self._left)
        self.sent += bytes(data[:taken])
        self._left -= taken
        return taken

    def finish(self) -> None:
        assert self.started and not self.done
        self.done = True

    def abort(self) -> None:
        self.done = self.aborted = True

    def leave(self) -> None:
        assert self.done


BROKEN = BodyBroken("the request body ended before it was complete")


def fields_of(x: FakeExchange) -> list[tuple[bytes, bytes]]:
    """The header fields that were packed."""
    fields, at = [], 0
    while at < len(x.fields):
        name = int.from_bytes(x.fields[at : at + 2], "little")
        value = int.from_bytes(x.fields[at + 2 : at + 4], "little")
        at += 4
        fields.append((x.fields[at : at + name], x.fields[at + name : at + name + value]))
        at += name + value
    return fields
