"""Sends clients from http to https."""

from typing import Any

from covet.middleware.heads import Head, HeadMiddleware
from covet.middleware.hosts import invalid_host, reached, redirection
from covet.responses import Response

SECURE = {"http": "https", "ws": "wss"}


class HTTPSRedirectMiddleware(HeadMiddleware):
    """Answers http with a redirection (307) to the same address with https.

    Args:
        app: the application inside.
    """

    sees_websockets = True

    def for_engine(self) -> dict[str, Any] | None:
        return {"kind": "https_redirect"} if type(self) is HTTPSRedirectMiddleware else None

    def refuse(self, head: Head, front: bytes) -> Response | None:
        """Lets what is secure through."""
        scheme = SECURE.get(head.scheme)
        if scheme is None:
            return None
        host = reached(head)
        if host is None:
            return invalid_host()
        netloc = host.name.lower() if host.port is not None and int(host.port) in (80, 443) else host.netloc
        return redirection(head, front, scheme, netloc)
