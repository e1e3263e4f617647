"""What a span says of a request (https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server-span)."""

import os
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from opentelemetry.propagators.textmap import Getter

Fields = Sequence[tuple[bytes, bytes]]
Scope = Mapping[str, Any]

METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})
OTHER = "_OTHER"
"""Stands for methods that are not known, of which there would be too many."""
PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
SECRETS = frozenset({"X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "sig", "X-Goog-Signature"})
"""Members of a query that let whoever has them in."""


class FieldsGetter(Getter[Fields]):
    """Has propagators read the fields of a request."""

    def get(self, carrier: Fields, key: str) -> list[str] | None:
        """The values of a field; the lists of several baggage fields as one, as only the first is read."""
        name = key.lower().encode("latin-1")
        values = [value.decode("latin-1") for field, value in carrier if field.lower() == name]
        if not values:
            return None
        return [",".join(values)] if name == b"baggage" else values

    def keys(self, carrier: Fields) -> list[str]:
        """The names of the fields."""
        return [field.decode("latin-1") for field, _ in carrier]


def known_methods() -> frozenset[str]:
    """The methods that are told apart; OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS lists others."""
    listed = os.environ.get("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "").split(",")
    return frozenset(method.strip() for method in listed if method.strip()) or METHODS


def common_attributes(scope: Scope, methods: frozenset[str]) -> dict[str, Any]:
    """What both the span and the metrics say of a request, or the span of a WebSocket."""
    if scope["type"] == "websocket":
        return {"url.scheme": scope.get("scheme", "ws"), "network.protocol.name": "websocket"}
    method = scope.get("method", "")
    attributes = {
        "url.scheme": scope.get("scheme", "http"),
        "http.request.method": method if method in methods else OTHER,
    }
    if scope.get("http_version"):
        attributes["network.protocol.version"] = scope["http_version"]
    return attributes


def span_attributes(scope: Scope, common: Mapping[str, Any]) -> dict[str, Any]:
    """What only the span says, together with what both say."""
    attributes = {**common, **_server(scope)}
    if scope["type"] == "websocket":
        return attributes
    attributes["url.path"] = scope["path"]
    if scope.get("query_string"):
        attributes["url.query"] = redacted(scope["query_string"].decode("latin-1"))
    if scope.get("method", "") != common["http.request.method"]:
        attributes["http.request.method_original"] = scope.get("method", "")
    return attributes


def redacted(query: str) -> str:
    """A query without secrets."""
    members = parse_qsl(query, keep_blank_values=True)
    return urlencode([(name, "REDACTED" if name in SECRETS else value) for name, value in members])


def _server(scope: Scope) -> dict[str, Any]:
    """The address that the client has asked; nothing if its Host field is malformed."""
    host = next((value for name, value in scope["headers"] if name.lower() == b"host"), None)
    address, port = (scope.get("server") or (None, None)) if host is None else _parsed(host, scope)
    if address is None:
        return {}
    return {"server.address": address} if port is None else {"server.address": address, "server.port": port}


def _parsed(host: bytes, scope: Scope) -> tuple[str | None, int | None]:
    try:
        url = urlsplit("//" + host.decode("latin-1"))
        address, port = url.hostname, url.port
    except ValueError:
        return None, None
    if url.username is not None or url.path or url.query or url.fragment:
        return None, None
    return address, PORTS.get(scope.get("scheme", "http")) if port is None else port
