"""WebSockets pass middleware: ASGI ones, those that concern them, and the engine's own."""

import contextlib
import json
import re
import ssl
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from covet import APIRouter, CovetPy, Request, Response, WebSocket
from covet.interfaces.native import CovetApplication
from covet.middleware import Middleware
from covet.middleware.base import BaseHTTPMiddleware
from covet.middleware.compression import CompressionMiddleware
from covet.middleware.cors import CORSMiddleware
from covet.middleware.httpsredirect import HTTPSRedirectMiddleware
from covet.middleware.requestid import RequestIdMiddleware, request_id
from covet.middleware.securityheaders import SecurityHeadersMiddleware
from covet.middleware.sessions import SessionMiddleware
from covet.middleware.trustedhost import TrustedHostMiddleware
from covet.testing.live import LiveServer
from middleware.support import PassOn, hand_on, in_python


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


def named_app(*inside: Middleware) -> CovetPy:
    """An application whose WebSockets tell what they are called, by all ways to an endpoint."""
    app = CovetPy(middleware=[Middleware(RequestIdMiddleware), Middleware(SecurityHeadersMiddleware), *inside])
    router, mounted = APIRouter(middleware=[Middleware(PassOn)]), CovetPy()

    async def tell(websocket: WebSocket) -> None:
        await websocket.accept(headers=[(b"x-request-id", b"its own"), (b"x-own", b"yes")])
        async for _ in websocket.iter_text():
            await websocket.send_json([websocket.state.request_id, request_id.get()])

    for at in (app, router, mounted):
        at.websocket(f"/{'app' if at is app else 'router' if at is router else 'ws'}")(tell)
    app.include_router(router)
    app.mount("/mounted", mounted)

    @app.websocket("/refuses")
    async def refuses(websocket: WebSocket) -> None:
        await websocket.send_denial_response(Response("no", 418))

    @app.websocket("/closes")
    async def closes(websocket: WebSocket) -> None:
        await websocket.close()

    @app.get("/")
    async def root(request: Request) -> Any:
        return [request.state.request_id, request_id.get()]

    return app


INSIDE = [[], [Middleware(PassOn)], [Middleware(BaseHTTPMiddleware, dispatch=hand_on)]]


@pytest.mark.parametrize("inside", INSIDE, ids=["nothing", "asgi", "dispatch"])
@pytest.mark.parametrize("place", [lambda app: app, in_python], ids=["engine", "python"])
def test_identifiers(place: Any, inside: list[Middleware]) -> None:
    app = named_app(*inside)
    if place is not in_python:
        guards = CovetApplication(app).engine()["guards"]
        assert [guard["kind"] for guard in guards] == ["request_id", "security_headers"]
    with LiveServer(place(app)) as server, contextlib.ExitStack() as stack:
        opened = []
        for path in ("/app", "/router", "/mounted/ws"):
            for given in ("given-1", "not taken", None):
                fields = {} if given is None else {"X-Request-ID": given}
                url = f"ws://127.0.0.1:{server.port}{path}"
                websocket = stack.enter_context(connect(url, additional_headers=fields))
                (name,) = websocket.response.headers.get_all("x-request-id")
                assert name == given if given == "given-1" else re.fullmatch("[0-9a-f]{32}", name)
                assert websocket.response.headers["x-own"] == "yes"
                assert "x-frame-options" not in websocket.response.headers
                opened.append((websocket, name))
        assert len({name for _, name in opened}) == 7
        for websocket, name in [*opened, *reversed(opened)]:
            websocket.send("who are you?")
            assert json.loads(websocket.recv()) == [name] * 2
        for path, status in (("/refuses", 418), ("/closes", 403), ("/none", 404)):
            with pytest.raises(InvalidStatus) as refused, connect(f"ws://127.0.0.1:{server.port}{path}"):
                pass
            assert refused.value.response.status_code == status
            assert "x-request-id" not in refused.value.response.headers
        response = httpx.get(server.url)
        assert response.json() == [response.headers["x-request-id"]] * 2
        assert "x-request-id" in httpx.get(server.url + "/none").headers


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
