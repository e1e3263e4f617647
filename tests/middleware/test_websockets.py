"""WebSockets pass middleware: ASGI ones, those that concern them, and the engine's own."""

import contextlib
import ssl
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from covet import CovetPy, WebSocket
from covet.middleware import Middleware
from covet.middleware.compression import CompressionMiddleware
from covet.middleware.cors import CORSMiddleware
from covet.middleware.httpsredirect import HTTPSRedirectMiddleware
from covet.middleware.requestid import RequestIdMiddleware
from covet.middleware.securityheaders import SecurityHeadersMiddleware
from covet.middleware.sessions import SessionMiddleware
from covet.middleware.trustedhost import TrustedHostMiddleware
from covet.testing.live import LiveServer
from middleware.support import PassOn, in_python


def app_with(*middleware: Middleware) -> CovetPy:
    app = CovetPy(middleware=middleware)

    @app.websocket("/ws")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        state = dict(websocket.scope.get("state", {}))
        await websocket.send_json({"session": "session" in websocket.scope, "id": state.get("request_id")})
        await websocket.send_text(await websocket.receive_text())

    @app.get("/")
    async def root() -> Any:
        return "root"

    return app


@contextlib.contextmanager
def opened(app: CovetPy, **options: Any) -> Any:
    with LiveServer(app) as server, connect(f"ws://127.0.0.1:{server.port}/ws", **options) as websocket:
        yield websocket


@pytest.mark.parametrize("place", [lambda app: app, in_python], ids=["engine", "python"])
def test_what_does_not_concern_them_lets_them_through(place: Any) -> None:
    app = app_with(
        Middleware(CORSMiddleware, allow_origins=["*"]),
        Middleware(SecurityHeadersMiddleware),
        Middleware(CompressionMiddleware, minimum_size=0),
        Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1"]),
    )
    with opened(place(app)) as websocket:
        websocket.recv()
        websocket.send("echoed")
        assert websocket.recv() == "echoed"
        assert "vary" not in websocket.response.headers


def test_asgi_middleware_sees_them() -> None:
    with opened(app_with(Middleware(PassOn))) as websocket:
        websocket.recv()
        websocket.send("echoed")
        assert websocket.recv() == "echoed"


def test_they_have_sessions_and_identifiers() -> None:
    app = app_with(Middleware(SessionMiddleware, secret_key="secret"), Middleware(RequestIdMiddleware))
    with opened(app, additional_headers={"X-Request-ID": "given"}) as websocket:
        assert websocket.recv() == '{"session":true,"id":"given"}'
        assert websocket.response.headers["x-request-id"] == "given"


@pytest.mark.parametrize("place", [lambda app: app, in_python], ids=["engine", "python"])
def test_those_for_other_hosts_are_refused(place: Any) -> None:
    app = app_with(Middleware(TrustedHostMiddleware, allowed_hosts=["a.org"]))
    with pytest.raises(InvalidStatus) as refused, opened(place(app)):
        pass
    assert refused.value.response.status_code == 400


@pytest.mark.parametrize("place", [lambda app: app, in_python], ids=["engine", "python"])
def test_they_are_sent_to_wss(place: Any) -> None:
    # The client goes there, where nobody speaks TLS.
    with pytest.raises(ssl.SSLError), opened(place(app_with(Middleware(HTTPSRedirectMiddleware)))):
        pass
