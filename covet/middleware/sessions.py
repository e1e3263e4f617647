"""Sessions in signed cookies."""

import json
from base64 import b64decode, b64encode
from typing import Any, Literal

from covet.asgi.head import ScopeHead
from covet.datastructures import MutableHeaders
from covet.middleware.base import AsgiApp, Layer, Receive, RequestResponseEndpoint, Scope, Send
from covet.middleware.heads import Head, headers_of
from covet.requests import Request, parse_cookies
from covet.responses import Response

PAST = "expires=Thu, 01 Jan 1970 00:00:00 GMT; "


class Session(dict[str, Any]):
    """What is kept for a client; it knows whether it was looked at, and changed."""

    accessed = False
    modified = False

    def mark_accessed(self) -> None:
        """It was looked at."""
        self.accessed = True

    def mark_modified(self) -> None:
        """It was changed; to be called when something inside of a value was."""
        self.accessed = self.modified = True

    def __setitem__(self, key: str, value: Any) -> None:
        self.mark_modified()
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        self.mark_modified()
        super().__delitem__(key)

    def clear(self) -> None:
        self.mark_modified()
        super().clear()

    def pop(self, key: str, *default: Any) -> Any:
        if key in self:
            self.mark_modified()
        return super().pop(key, *default)

    def popitem(self) -> tuple[str, Any]:
        item = super().popitem()
        self.mark_modified()
        return item

    def setdefault(self, key: str, default: Any = None) -> Any:
        if key not in self:
            self.mark_modified()
        return super().setdefault(key, default)

    def update(self, *values: Any, **named: Any) -> None:
        self.mark_modified()
        super().update(*values, **named)

    def __ior__(self, other: Any) -> "Session":  # type: ignore[override, misc]
        self.mark_modified()
        super().update(other)
        return self


class SessionMiddleware(Layer):
    """Gives each client a dict, `request.session`, which a signed cookie holds: clients can read but not change it.

    Args:
        app: the application inside.
        secret_key: what cookies are signed with.
        session_cookie: the cookie's name.
        max_age: for how many seconds a session lasts; None: until the browser is closed.
        path: the paths that the cookie is sent to.
        same_site: the cookie's SameSite.
        https_only: the cookie is sent by https only.
        domain: the hosts that the cookie is sent to; None is the one that set it.
        partitioned: the cookie is kept apart for each top-level site.

    Raises:
        ModuleNotFoundError: the package itsdangerous is not installed.
    """

    sees_websockets = True

    def __init__(
        self,
        app: AsgiApp,
        secret_key: Any,
        session_cookie: str = "session",
        max_age: int | None = 14 * 24 * 60 * 60,
        path: str = "/",
        same_site: Literal["lax", "strict", "none"] = "lax",
        https_only: bool = False,
        domain: str | None = None,
        partitioned: bool = False,
    ) -> None:
        self.app = app
        self.signer = _signer(str(secret_key))
        self.session_cookie = session_cookie
        self.max_age = max_age
        self.path = path
        self.security_flags = "httponly; samesite=" + same_site
        if https_only:
            self.security_flags += "; secure"
        if domain is not None:
            self.security_flags += f"; domain={domain}"
        if partitioned:
            self.security_flags += "; partitioned"

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Answers a request that has a session."""
        session = request.scope["session"] = self._load(request.exchange)
        began_empty = not session
        response = await call_next(request)
        self._save(request.scope["session"], began_empty, response.headers)
        return response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one ASGI 3 connection; WebSockets have a session too."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        session = scope["session"] = self._load(ScopeHead(scope))
        began_empty = not session

        async def saved(message: Any) -> None:
            if message["type"] == "http.response.start":
                self._save(scope["session"], began_empty, headers_of(message))
            await send(message)

        await self.app(scope, receive, saved)

    def _load(self, head: Head) -> Session:
        for name, line in head.headers() if head.header(b"cookie") is not None else ():
            value = parse_cookies(line.decode("latin-1")).get(self.session_cookie) if name == b"cookie" else None
            if value is not None:
                return self._read(value)
        return Session()

    def _read(self, value: str) -> Session:
        from itsdangerous.exc import BadSignature

        try:
            data = self.signer.unsign(value.encode(), max_age=self.max_age)
            return Session(json.loads(b64decode(data)))
        except BadSignature:
            return Session()

    def _save(self, session: Session, began_empty: bool, headers: MutableHeaders) -> None:
        if session.accessed:
            headers.add_vary_header("Cookie")
        if session.modified and session:
            data = self.signer.sign(b64encode(json.dumps(session).encode())).decode()
            age = "" if self.max_age is None else f"Max-Age={self.max_age}; "
            headers.append("set-cookie", self._cookie(data, age))
        elif session.modified and not began_empty:
            headers.append("set-cookie", self._cookie("null", PAST))

    def _cookie(self, data: str, lifetime: str) -> str:
        return f"{self.session_cookie}={data}; path={self.path}; {lifetime}{self.security_flags}"


def _signer(secret_key: str) -> Any:
    try:
        from itsdangerous import TimestampSigner
    except ModuleNotFoundError:
        raise ModuleNotFoundError("sessions need the package itsdangerous: pip install itsdangerous") from None
    return TimestampSigner(secret_key)
