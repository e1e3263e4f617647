"""The shipped middleware answers as Starlette's does, right around the routes and over ASGI."""

from importlib import import_module
from typing import Any

import pytest

from covet.middleware.trustedhost import TrustedHostMiddleware
from middleware.support import Asked, Framework, PassOn, compare

ORIGIN = {"Origin": "https://example.org"}


def app_with(framework: Framework, module: str, name: str, **options: Any) -> Any:
    app = framework.app()

    @app.get("/")
    async def root() -> Any:
        return framework.PlainTextResponse("ok", headers={"X-Of": "the handler", "Vary": "Accept"})

    @app.get("/long")
    async def long() -> Any:
        return framework.PlainTextResponse("x" * 4000)

    @app.get("/large")
    async def large() -> Any:
        return framework.PlainTextResponse("xyz" * 100_000)

    @app.get("/stream")
    async def stream() -> Any:
        async def pieces() -> Any:
            for i in range(10):
                yield f"{i}" * 400

        return framework.StreamingResponse(pieces(), headers={"X-Of": "the stream"})

    @app.get("/typed/{kind}/{of}")
    async def typed(kind: str, of: str) -> Any:
        return framework.Response(b"y" * 3000, media_type=f"{kind}/{of}")

    @app.get("/encoded")
    async def encoded() -> Any:
        return framework.Response(b"y" * 3000, headers={"Content-Encoding": "text"})

    @app.get("/partial")
    async def partial() -> Any:
        return framework.Response(b"y" * 3000, 206)

    @app.get("/error")
    async def error() -> Any:
        raise framework.HTTPException(418, "no" * 600)

    app.add_middleware(getattr(import_module(f"{framework.middleware}.{module}"), name), **options)
    return app


def preflight(path: str = "/", **headers: str) -> Asked:
    return Asked(
        "OPTIONS",
        path,
        {**ORIGIN, "Access-Control-Request-Method": "GET", **{k.replace("_", "-"): v for k, v in headers.items()}},
    )


CORS_REQUESTS = [
    Asked(),
    Asked(headers=ORIGIN),
    Asked(headers={**ORIGIN, "Cookie": "a=b"}),
    Asked(headers={"Origin": "https://other.org"}),
    Asked(headers={"Origin": "null"}),
    Asked("POST", headers=ORIGIN),
    Asked(path="/none", headers=ORIGIN),
    Asked(path="/stream", headers=ORIGIN),
    Asked(path="/error", headers=ORIGIN),
    Asked("OPTIONS", headers=ORIGIN),
    preflight(),
    preflight("/none"),
    preflight(Origin="https://other.org"),
    preflight(Access_Control_Request_Method="POST"),
    preflight(Access_Control_Request_Method="DELETE", Origin="https://other.org"),
    preflight(Access_Control_Request_Headers="X-Some, Content-Type"),
    preflight(Access_Control_Request_Headers="content-language"),
    preflight(Access_Control_Request_Headers=""),
    preflight(Access_Control_Request_Private_Network="true"),
]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"allow_origins": ["*"]},
        {"allow_origins": ["*"], "allow_credentials": True, "allow_methods": ["*"], "allow_headers": ["*"]},
        {"allow_origins": ["https://example.org"], "allow_headers": ["X-Some"], "expose_headers": ["X-A", "X-B"]},
        {"allow_origins": ["https://example.org"], "allow_credentials": True, "allow_methods": ["GET", "POST"]},
        {"allow_origin_regex": r"https://.*\.org", "max_age": 5, "allow_private_network": True},
    ],
    ids=lambda options: ",".join(options),
)
def test_cors(options: dict[str, Any]) -> None:
    compare(lambda framework: app_with(framework, "cors", "CORSMiddleware", **options), CORS_REQUESTS)


GZIP = {"Accept-Encoding": "gzip"}
GZIP_REQUESTS = [
    Asked(path=path, headers=headers, method=method)
    for path in (
        "/", "/long", "/large", "/stream", "/typed/image/png", "/typed/text/event-stream", "/typed/audio/x",
        "/typed/application/json", "/encoded", "/partial", "/error", "/none",
    )
    for headers in (GZIP, {"Accept-Encoding": "br"}, {"Accept-Encoding": "br, gzip;q=0.5"})
    for method in ("GET",)
]  # fmt: skip


@pytest.mark.parametrize(
    "options", [{}, {"minimum_size": 1, "compresslevel": 1}, {"exclude_content_types": ("text/*",)}]
)
def test_gzip(options: dict[str, Any]) -> None:
    compare(lambda framework: app_with(framework, "gzip", "GZipMiddleware", **options), GZIP_REQUESTS)


HOSTS = ["example.com", "EXAMPLE.com:8000", "www.example.com", "a.example.org", "example.org", "bad host", "[::1]:80"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"allowed_hosts": ["example.com"]},
        {"allowed_hosts": ["www.example.com", "*.example.org"]},
        {"allowed_hosts": ["www.example.com"], "www_redirect": False},
        {"allowed_hosts": ["[::1]", "*"]},
        {"allowed_hosts": ["[::1]"]},
    ],
    ids=str,
)
def test_trusted_host(options: dict[str, Any]) -> None:
    asked = [Asked(path=path, headers={"Host": host}) for host in HOSTS for path in ("/?a=b%20c", "/none", "/long")]
    compare(
        lambda framework: app_with(framework, "trustedhost", "TrustedHostMiddleware", **options),
        asked,
        live=[each for each in asked if each.headers["Host"] != "bad host"],  # which the engine refuses by itself
    )


@pytest.mark.parametrize("pattern", ["a*", "*example.com", "a.*.com"])
def test_trusted_host_refuses_other_patterns(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"must be like '\*\.example\.com'"):
        TrustedHostMiddleware(PassOn, allowed_hosts=[pattern])


def test_https_redirect() -> None:
    asked = [
        Asked(path=path, base=base)
        for path in ("/", "/long?a=b&c=%20", "/none")
        for base in ("http://example.com", "http://example.com:8000", "http://example.com:80", "https://example.com")
    ]
    asked += [Asked("POST"), Asked(headers={"Host": "Example.com:443"})]
    compare(lambda framework: app_with(framework, "httpsredirect", "HTTPSRedirectMiddleware"), asked)


def with_sessions(framework: Framework, **options: Any) -> Any:
    app = framework.app()
    request_type = framework.request

    @app.get("/read")
    async def read(request: request_type) -> Any:  # type: ignore[valid-type]
        return dict(request.session)  # type: ignore[attr-defined]

    @app.get("/write")
    async def write(request: request_type) -> Any:  # type: ignore[valid-type]
        request.session["user"] = {"id": 5, "name": "é"}  # type: ignore[attr-defined]
        return "written"

    @app.get("/clear")
    async def clear(request: request_type) -> Any:  # type: ignore[valid-type]
        request.session.clear()  # type: ignore[attr-defined]
        return "cleared"

    @app.get("/other")
    async def other() -> Any:
        return "other"

    sessions = import_module(f"{framework.middleware}.sessions")
    app.add_middleware(sessions.SessionMiddleware, secret_key="secret", **options)
    return app


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_age": None, "https_only": True, "same_site": "strict"},
        {"session_cookie": "s", "path": "/read", "domain": "example.com", "partitioned": True},
    ],
    ids=str,
)
def test_sessions(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
    import itsdangerous

    # Signatures hold the time, which must be the same for all.
    monkeypatch.setattr(itsdangerous.TimestampSigner, "get_timestamp", lambda self: 1_700_000_000)
    forged = {"Cookie": f"{options.get('session_cookie', 'session')}=forged"}
    asked = [
        *(Asked(path=path) for path in ("/read", "/clear", "/write", "/read", "/other", "/clear", "/read", "/none")),
        Asked(path="/read", headers=forged),
    ]
    answers = compare(lambda framework: with_sessions(framework, **options), asked)
    if not options:
        assert answers[3].body == '{"user":{"id":5,"name":"é"}}'.encode()
