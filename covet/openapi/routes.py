"""The routes at which an application shows its OpenAPI document."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from covet.apiroute import APIRoute
from covet.requests import Request
from covet.responses import JSONResponse, Response
from covet.routing import Route

if TYPE_CHECKING:
    from covet.app import CovetPy

METHODS = ("GET", "HEAD")


class DocumentRoute(APIRoute):
    """A route of the application itself; its handler is nobody's, so no operation of it is worth a span."""

    has_operations = False


def document_routes(app: "CovetPy") -> list[Route]:
    """The routes of the document and the pages that show it; nothing of them is made before it is asked for.

    Args:
        app: the application.
    """
    if not app.openapi_url:
        return []
    found = [_route(app.openapi_url, _document(app), "openapi")]
    if app.docs_url:
        found += _page(app.docs_url, _swagger(app), "swagger_ui_html")
        if app.swagger_ui_oauth2_redirect_url:
            found.append(_route(app.swagger_ui_oauth2_redirect_url, _oauth2_redirect, "swagger_ui_redirect"))
    if app.redoc_url:
        found += _page(app.redoc_url, _redoc(app), "redoc_html")
    if app.scalar_url:
        found += _page(app.scalar_url, _scalar(app), "scalar_html")
    return found


def _route(path: str, handler: Callable[..., Any], name: str) -> Route:
    return DocumentRoute(path, handler, methods=METHODS, name=name, include_in_schema=False)


def _page(path: str, handler: Callable[..., Any], name: str) -> list[Route]:
    return [_route(path, handler, name), _route(f"{path.rstrip('/')}/assets/{{name}}", _asset, f"{name}_assets")]


async def _asset(name: str, request: Request) -> Response:
    from covet.openapi.docs import asset

    return asset(name, request.headers.get("accept-encoding", ""))


async def _oauth2_redirect() -> Response:
    from covet.openapi.docs import get_swagger_ui_oauth2_redirect_html

    return get_swagger_ui_oauth2_redirect_html()


def _root(request: Request) -> str:
    root: str = request.scope.get("root_path", "")
    return root.rstrip("/")


def _document(app: "CovetPy") -> Callable[..., Any]:
    async def openapi(request: Request) -> Response:
        root, document = _root(request), app.openapi()
        servers = document.get("servers", [])
        if root and app.root_path_in_servers and root not in [server.get("url") for server in servers]:
            document = {**document, "servers": [{"url": root}, *servers]}
        return JSONResponse(document)

    return openapi


def _swagger(app: "CovetPy") -> Callable[..., Any]:
    async def swagger_ui_html(request: Request) -> Response:
        from covet.openapi.docs import get_swagger_ui_html

        root = _root(request)
        assets = f"{root}{(app.docs_url or '').rstrip('/')}/assets"
        redirect = app.swagger_ui_oauth2_redirect_url
        return get_swagger_ui_html(
            openapi_url=f"{root}{app.openapi_url}",
            title=f"{app.title} - Swagger UI",
            swagger_js_url=f"{assets}/swagger-ui-bundle.js",
            swagger_css_url=f"{assets}/swagger-ui.css",
            swagger_favicon_url=f"{assets}/favicon.png",
            oauth2_redirect_url=root + redirect if redirect else None,
            init_oauth=app.swagger_ui_init_oauth,
            swagger_ui_parameters=app.swagger_ui_parameters,
        )

    return swagger_ui_html


def _redoc(app: "CovetPy") -> Callable[..., Any]:
    async def redoc_html(request: Request) -> Response:
        from covet.openapi.docs import get_redoc_html

        root = _root(request)
        assets = f"{root}{(app.redoc_url or '').rstrip('/')}/assets"
        return get_redoc_html(
            openapi_url=f"{root}{app.openapi_url}",
            title=f"{app.title} - ReDoc",
            redoc_js_url=f"{assets}/redoc.standalone.js",
            redoc_favicon_url=f"{assets}/favicon.png",
        )

    return redoc_html


def _scalar(app: "CovetPy") -> Callable[..., Any]:
    async def scalar_html(request: Request) -> Response:
        from covet.openapi.docs import get_scalar_html

        root = _root(request)
        assets = f"{root}{(app.scalar_url or '').rstrip('/')}/assets"
        return get_scalar_html(
            openapi_url=f"{root}{app.openapi_url}",
            title=f"{app.title} - Scalar",
            scalar_js_url=f"{assets}/scalar.standalone.js",
            scalar_favicon_url=f"{assets}/favicon.png",
        )

    return scalar_html
