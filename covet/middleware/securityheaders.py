"""Response fields that have browsers be careful."""

from collections.abc import Mapping
from typing import Any

from covet.datastructures import MutableHeaders
from covet.middleware.base import AsgiApp
from covet.middleware.heads import Head, HeadMiddleware

YEAR = 365 * 24 * 60 * 60


class SecurityHeadersMiddleware(HeadMiddleware):
    """Adds fields to responses that do not have them. None leaves a field out.

    Args:
        app: the application inside.
        hsts_max_age: for how many seconds browsers use https only (RFC 6797); only said by https.
        hsts_include_subdomains: that holds for the hosts below too.
        hsts_preload: browsers may know it beforehand.
        content_type_options: X-Content-Type-Options.
        frame_options: X-Frame-Options.
        referrer_policy: Referrer-Policy.
        content_security_policy: Content-Security-Policy; text, or sources by directive.
        permissions_policy: Permissions-Policy.
        cross_origin_opener_policy: Cross-Origin-Opener-Policy.
        cross_origin_resource_policy: Cross-Origin-Resource-Policy.
        cross_origin_embedder_policy: Cross-Origin-Embedder-Policy.
    """

    def __init__(
        self,
        app: AsgiApp,
        *,
        hsts_max_age: int | None = YEAR,
        hsts_include_subdomains: bool = True,
        hsts_preload: bool = False,
        content_type_options: str | None = "nosniff",
        frame_options: str | None = "DENY",
        referrer_policy: str | None = "strict-origin-when-cross-origin",
        content_security_policy: str | Mapping[str, str] | None = None,
        permissions_policy: str | None = None,
        cross_origin_opener_policy: str | None = "same-origin",
        cross_origin_resource_policy: str | None = None,
        cross_origin_embedder_policy: str | None = None,
    ) -> None:
        super().__init__(app)
        csp = content_security_policy
        if csp is not None and not isinstance(csp, str):
            csp = "; ".join(f"{directive} {sources}".strip() for directive, sources in csp.items())
        fields = {
            "x-content-type-options": content_type_options,
            "x-frame-options": frame_options,
            "referrer-policy": referrer_policy,
            "content-security-policy": csp,
            "permissions-policy": permissions_policy,
            "cross-origin-opener-policy": cross_origin_opener_policy,
            "cross-origin-resource-policy": cross_origin_resource_policy,
            "cross-origin-embedder-policy": cross_origin_embedder_policy,
        }
        self.fields = [(name, value) for name, value in fields.items() if value is not None]
        self.hsts = None
        if hsts_max_age is not None:
            self.hsts = f"max-age={hsts_max_age}"
            self.hsts += "; includeSubDomains" if hsts_include_subdomains else ""
            self.hsts += "; preload" if hsts_preload else ""

    def for_engine(self) -> dict[str, Any] | None:
        if type(self) is not SecurityHeadersMiddleware:
            return None
        return {"kind": "security_headers", "fields": self.fields, "hsts": self.hsts or ""}

    def decorate(self, head: Head, headers: MutableHeaders) -> None:
        """Adds the fields that the response lacks."""
        for name, value in self.fields:
            headers.setdefault(name, value)
        if self.hsts is not None and head.scheme == "https":
            headers.setdefault("strict-transport-security", self.hsts)
