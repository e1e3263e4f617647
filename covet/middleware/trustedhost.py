"""Refuses requests for hosts that are not the application's."""

from collections.abc import Sequence
from typing import Any

from covet.middleware.base import AsgiApp
from covet.middleware.heads import Head, HeadMiddleware
from covet.middleware.hosts import host_of, invalid_host, reached, redirection
from covet.responses import Response


class TrustedHostMiddleware(HeadMiddleware):
    """Refuses requests whose Host field names none of the allowed hosts.

    Args:
        app: the application inside.
        allowed_hosts: names such as "example.com", "*.example.com" for all below it, or "*" for any.
        www_redirect: requests for "example.com" are sent to "www.example.com" if only that is allowed.

    Raises:
        ValueError: a star is in another place.
    """

    sees_websockets = True

    def __init__(self, app: AsgiApp, allowed_hosts: Sequence[str] | None = None, www_redirect: bool = True) -> None:
        super().__init__(app)
        hosts = ["*"] if allowed_hosts is None else list(allowed_hosts)
        for pattern in hosts:
            if "*" in pattern[1:] or (pattern.startswith("*") and pattern != "*" and not pattern.startswith("*.")):
                raise ValueError(f"a pattern for hosts must be like '*.example.com', not {pattern!r}")
        self.allowed_hosts = [pattern.lower() for pattern in hosts]
        self.allow_any = "*" in hosts
        self.www_redirect = www_redirect

    def for_engine(self) -> dict[str, Any] | None:
        if type(self) is not TrustedHostMiddleware:
            return None
        return {"kind": "trusted_host", "hosts": self.allowed_hosts, "www_redirect": self.www_redirect}

    def refuse(self, head: Head, front: bytes) -> Response | None:
        """Lets requests for allowed hosts through."""
        if self.allow_any:
            return None
        host = host_of(head)
        if host is None:
            return invalid_host()
        name = host.name.lower()
        for pattern in self.allowed_hosts:
            if name == pattern or (pattern.startswith("*") and name.endswith(pattern[1:])):
                return None
        at = reached(head)
        if self.www_redirect and "www." + name in self.allowed_hosts and at is not None:
            return redirection(head, front, head.scheme, "www." + at.netloc)
        return invalid_host()
