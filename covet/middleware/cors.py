"""Cross-origin resource sharing (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

import re
from collections.abc import Collection
from typing import Any

from covet.datastructures import MutableHeaders
from covet.middleware.base import AsgiApp
from covet.middleware.heads import Head, HeadMiddleware
from covet.responses import PlainTextResponse, Response

ALL_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY")
SAFELISTED_HEADERS = frozenset({"Accept", "Accept-Language", "Content-Language", "Content-Type"})
PREFLIGHT_VARY = (
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network"
)

PORTABLE = re.compile(r"(?:[\w:/.|,-]|\\[.\-/dw]|[*+?](?![*+?{])|\((?:\?:|(?!\?))|\)|\[[\w.-]+\])+", re.ASCII)
"""Patterns that mean the same to the engine."""


class CORSMiddleware(HeadMiddleware):
    """Lets pages of other origins use the application: answers preflight requests, marks other responses.

    Args:
        app: the application inside.
        allow_origins: origins such as "https://example.com", or "*" for all.
        allow_methods: the methods that pages may use, or "*".
        allow_headers: the fields that pages may send besides those that are always allowed, or "*".
        allow_credentials: cookies and authorization may be sent.
        allow_origin_regex: a pattern that the whole of an origin may match instead.
        allow_private_network: pages of public networks may reach the application in a private one.
        expose_headers: the response fields that pages may read.
        max_age: for how many seconds browsers may keep the answer to a preflight request.
    """

    def __init__(
        self,
        app: AsgiApp,
        allow_origins: Collection[str] = (),
        allow_methods: Collection[str] = ("GET",),
        allow_headers: Collection[str] = (),
        allow_credentials: bool = False,
        allow_origin_regex: str | None = None,
        allow_private_network: bool = False,
        expose_headers: Collection[str] = (),
        max_age: int = 600,
    ) -> None:
        super().__init__(app)
        self.allow_origins = allow_origins
        self.allow_all_origins = "*" in allow_origins
        self.allow_origin_regex = None if allow_origin_regex is None else re.compile(allow_origin_regex)
        self.allow_methods = ALL_METHODS if "*" in allow_methods else allow_methods
        self.allow_all_headers = "*" in allow_headers
        known_headers = sorted(SAFELISTED_HEADERS | set(allow_headers))
        self.allow_headers = [name.lower() for name in known_headers]
        self.allow_credentials = allow_credentials
        self.allow_private_network = allow_private_network
        self.explicit_origin = not self.allow_all_origins or allow_credentials

        self.simple_headers: dict[str, str] = {}
        if self.allow_all_origins:
            self.simple_headers["access-control-allow-origin"] = "*"
        if allow_credentials:
            self.simple_headers["access-control-allow-credentials"] = "true"
        if expose_headers:
            self.simple_headers["access-control-expose-headers"] = ", ".join(expose_headers)

        self.preflight_headers = {"vary": PREFLIGHT_VARY}
        if not self.explicit_origin:
            self.preflight_headers["access-control-allow-origin"] = "*"
        self.preflight_headers["access-control-allow-methods"] = ", ".join(self.allow_methods)
        self.preflight_headers["access-control-max-age"] = str(max_age)
        if not self.allow_all_headers:
            self.preflight_headers["access-control-allow-headers"] = ", ".join(known_headers)
        if allow_credentials:
            self.preflight_headers["access-control-allow-credentials"] = "true"

    def for_engine(self) -> dict[str, Any] | None:
        regex = None if self.allow_origin_regex is None else self.allow_origin_regex.pattern
        if type(self) is not CORSMiddleware or (regex is not None and not PORTABLE.fullmatch(regex)):
            return None
        return {
            "kind": "cors",
            "origins": list(self.allow_origins),
            "origin_regex": regex or "",
            "methods": list(self.allow_methods),
            "allow_headers": self.allow_headers,
            "all_origins": self.allow_all_origins,
            "all_headers": self.allow_all_headers,
            "explicit_origin": self.explicit_origin,
            "private_network": self.allow_private_network,
            "simple": list(self.simple_headers.items()),
            "preflight": list(self.preflight_headers.items()),
        }

    def is_allowed_origin(self, origin: str) -> bool:
        """Whether pages of an origin may use the application."""
        if self.allow_all_origins:
            return True
        if self.allow_origin_regex is not None and self.allow_origin_regex.fullmatch(origin):
            return True
        return origin in self.allow_origins

    def refuse(self, head: Head, front: bytes) -> Response | None:
        """Answers preflight requests."""
        if head.method != "OPTIONS":
            return None
        origin, method = head.header(b"origin"), head.header(b"access-control-request-method")
        if origin is None or method is None:
            return None
        return self._preflight(head, origin.decode("latin-1"), method.decode("latin-1"))

    def _preflight(self, head: Head, origin: str, method: str) -> Response:
        headers, failures = dict(self.preflight_headers), []
        if not self.is_allowed_origin(origin):
            failures.append("origin")
        elif self.explicit_origin:
            headers["access-control-allow-origin"] = origin
        if method not in self.allow_methods:
            failures.append("method")
        wanted = head.header(b"access-control-request-headers")
        if wanted is not None:
            names = wanted.decode("latin-1")
            if self.allow_all_headers:
                headers["access-control-allow-headers"] = names
            elif not all(name.strip().lower() in self.allow_headers for name in names.split(",")):
                failures.append("headers")
        if head.header(b"access-control-request-private-network") is not None:
            if self.allow_private_network:
                headers["access-control-allow-private-network"] = "true"
            else:
                failures.append("private-network")
        if failures:
            return PlainTextResponse("Disallowed CORS " + ", ".join(failures), 400, headers)
        return PlainTextResponse("OK", 200, headers)

    def decorate(self, head: Head, headers: MutableHeaders) -> None:
        """Says in a response what pages of the request's origin may do with it."""
        origin = head.header(b"origin")
        if origin is not None:
            for name, value in self.simple_headers.items():
                headers[name] = value
            text = origin.decode("latin-1")
            if self.explicit_origin and self.is_allowed_origin(text):
                headers["access-control-allow-origin"] = text
        headers["vary"] = ", ".join([*headers.getlist("vary"), "Origin"])
