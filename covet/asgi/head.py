"""The head of a request over an ASGI server: what its scope says."""

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import unquote_to_bytes

from covet.asgi.texts import (
    address_of,
    length_of,
    query_pairs,
    raw_paths_of,
    to_bool,
    to_float,
    to_int,
)

REQUEST_MEMBERS = (
    "method", "scheme", "http_version", "path", "raw_path", "query_string", "client", "server", "headers",
)  # fmt: skip
"""The members of a scope that the request decides."""


class ScopeHead:
    """The request part of `covet.core.Exchange`, body apart; fields are read from the scope when they are asked for.

    Args:
        scope: the request's scope.
    """

    __slots__ = (
        "_fields", "_query", "_scope", "content_length", "method", "params", "raw_path", "raw_root", "root_path",
        "route", "verdict",
    )  # fmt: skip

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self._scope = scope
        self.route = self.verdict = 0
        self.params: tuple[str, ...] = ()
        self.method: str = scope.get("method", "GET")  # a WebSocket handshake is a GET
        self.root_path: str = scope.get("root_path", "").rstrip("/")
        self.raw_root, self.raw_path = raw_paths_of(scope, self.root_path)
        self.content_length = length_of(scope.get("headers", ()))
        self._fields: list[tuple[bytes, bytes]] | None = None
        self._query: list[tuple[str, str]] | None = None

    def note(self, **members: Any) -> None:
        """Sets members of the scope, for whoever reads it later."""
        if isinstance(self._scope, MutableMapping):
            self._scope.update(members)

    def scope(self, template: dict[str, Any], /) -> dict[str, Any]:
        return {**template, **{key: self._scope[key] for key in REQUEST_MEMBERS if key in self._scope}}

    @property
    def scheme(self) -> str:
        scheme: str = self._scope.get("scheme", "http")
        return scheme

    @property
    def http_version(self) -> str:
        version: str = self._scope.get("http_version", "1.1")
        return version

    @property
    def path(self) -> str:
        return unquote_to_bytes(self.raw_path).decode("utf-8", "replace")

    @property
    def query_string(self) -> bytes:
        query: bytes = self._scope.get("query_string", b"")
        return query

    @property
    def target(self) -> bytes:
        query = self.query_string
        return self.raw_path + b"?" + query if query else self.raw_path

    @property
    def host(self) -> str:
        return (self.header(b"host") or b"").decode("latin-1")

    @property
    def client(self) -> tuple[str, int] | None:
        return address_of(self._scope.get("client"))

    @property
    def server(self) -> tuple[str, int] | None:
        return address_of(self._scope.get("server"))

    @property
    def num_params(self) -> int:
        return len(self.params)

    def path_str(self, index: int, /) -> str:
        return self.params[index]

    def path_int(self, index: int, /) -> Any:
        return to_int(self.params[index])

    def path_float(self, index: int, /) -> Any:
        return to_float(self.params[index])

    def query_str(self, name: str, default: Any, /) -> Any:
        for key, value in reversed(self.query_items()):
            if key == name:
                return value
        return default

    def query_int(self, name: str, default: Any, /) -> Any:
        return self._query_as(name, default, to_int)

    def query_float(self, name: str, default: Any, /) -> Any:
        return self._query_as(name, default, to_float)

    def query_bool(self, name: str, default: Any, /) -> Any:
        return self._query_as(name, default, to_bool)

    def _query_as(self, name: str, default: Any, convert: Callable[[str], Any]) -> Any:
        text = self.query_str(name, None)
        return default if text is None else convert(text)

    def query_items(self) -> list[tuple[str, str]]:
        items = self._query
        if items is None:
            query = self.query_string
            items = self._query = query_pairs(query) if query else []
        return items

    def header(self, name: bytes, /) -> bytes | None:
        for key, value in self.headers():
            if key == name:
                return value
        return None

    def headers(self) -> list[tuple[bytes, bytes]]:
        fields = self._fields
        if fields is None:
            fields = self._fields = [(name.lower(), value) for name, value in self._scope.get("headers", ())]
        return fields
