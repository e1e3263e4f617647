"""Middleware of both kinds, exception handlers, hooks and health checks."""

from typing import Any

from covet import CovetPy, Request, Response
from covet.middleware import Middleware
from covet.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from covet.middleware.compression import CompressionMiddleware
from covet.middleware.cors import CORSMiddleware
from covet.middleware.gzip import GZipMiddleware
from covet.middleware.httpsredirect import HTTPSRedirectMiddleware
from covet.middleware.prometheus import PrometheusMiddleware
from covet.middleware.requestid import RequestIdMiddleware
from covet.middleware.sessions import SessionMiddleware
from covet.middleware.trustedhost import TrustedHostMiddleware
from covet.types import ASGIApp, Message, Receive, Scope, Send


class Dispatching(BaseHTTPMiddleware):
    def __init__(self, app: ASGIApp, prefix: str = "") -> None:
        super().__init__(app)
        self.prefix = prefix

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers["x-prefix"] = self.prefix
        return response


class Plain:
    def __init__(self, app: ASGIApp, *, by: str) -> None:
        self.app = app
        self.by = by

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            await send(message)

        await self.app(scope, receive, sending)


app = CovetPy(middleware=[Middleware(CORSMiddleware, allow_origins=["*"]), Middleware(Plain, by="me")])
app.add_middleware(Plain, by="steam")
app.add_middleware(Dispatching, prefix="/")
app.add_middleware(GZipMiddleware, minimum_size=500)
app.add_middleware(CompressionMiddleware)
app.add_middleware(TrustedHostMiddleware, allowed_hosts=["*"])
app.add_middleware(HTTPSRedirectMiddleware)
app.add_middleware(SessionMiddleware, secret_key="secret")
app.add_middleware(PrometheusMiddleware, endpoint="/metrics")
app.add_middleware(RequestIdMiddleware)


@app.middleware("http")
async def around(request: Request, call_next: RequestResponseEndpoint) -> Response:
    request.state.user = "ada"
    return await call_next(request)


@app.on_event("startup")
async def start() -> None: ...


@app.health_check
async def healthy() -> bool:
    return True


@app.readiness_check
def ready() -> dict[str, Any]:
    return {"database": True}


@app.exception_handler(Exception)
async def broken(request: Request, error: Exception) -> Response:
    return Response(str(error), 500)
