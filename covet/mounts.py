"""Routes that are no handlers of HTTP requests: other applications, hosts, and WebSockets."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from covet.dependant import Dependant, add_unnamed, get_dependant
from covet.exceptions import DeclarationError
from covet.routing import PARAMETER, WEBSOCKET, Route, filled, match_kinds, path_for
from covet.urls import URLPath, no_match

if TYPE_CHECKING:
    from covet.core import Exchange
    from covet.interfaces import CallEntry
    from covet.requests import Context
    from covet.routers import APIRouter

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")


class _Application(Route):
    """What has an application in the place of a handler."""

    app: Any
    protocol = ""

    @property
    def answered_by(self) -> Any:
        return self.app

    @property
    def routes(self) -> Sequence[Any]:
        """The routes of the application, if it tells of them."""
        found = getattr(self.app, "routes", None)
        return found if isinstance(found, Sequence) else ()

    def _name_below(self, name: str) -> str | None:
        """What a route of the application is called whose name is prefixed by this one's; None if it is another's."""
        own = self.name + ":" if self.name else ""
        return name[len(own) :] if name.startswith(own) else None


class Mount(_Application):
    """Another application, which gets every request below a path.

    Args:
        path: such as "/static"; "" is everything that no route matches.
        app: a CovetPy, ASGI or WSGI application, or a router.
        routes: routes to mount, in the place of an application.
        name: for `url_path_for`.

    Raises:
        ValueError: the path cannot be used, or there is neither an application nor a route.
    """

    def __init__(
        self, path: str, app: Any = None, routes: Sequence[Route] | None = None, name: str | None = None
    ) -> None:
        if app is None:
            if routes is None:
                raise DeclarationError("Mount takes an application, or routes=")
            from covet.routers import APIRouter

            app = APIRouter(routes=routes)
        self.prefix = path.rstrip("/")
        if self.prefix and not self.prefix.startswith("/"):
            raise DeclarationError(f"the path {path!r} of a mounted application must start with '/'")
        super().__init__(self.prefix, (*METHODS, WEBSOCKET), name=name or "")
        self.app = app

    @property
    def pattern(self) -> str:
        return self.prefix + "/{path:path}"

    @property
    def may_be_websocket(self) -> bool:  # type: ignore[override]
        """Whether the application may take WebSockets: files cannot."""
        return type(self.app).__name__ not in ("StaticFiles", "WSGIMiddleware")

    def make_entry(self, context: "Context", *, generate: bool) -> "CallEntry":
        from covet.mounted import entry_of

        names, converters = self.own_param_names, self.converters()

        def prefix_of(x: "Exchange") -> tuple[str, dict[str, Any]]:
            if not names:
                return self.prefix, {}
            texts = {name: x.path_str(i) for i, name in enumerate(names)}
            prefix = PARAMETER.sub(lambda found: texts[found[1]], self.prefix)
            return prefix, {name: converters.get(name, str)(text) for name, text in texts.items()}

        return (entry_of(self, prefix_of, context), 200, False)

    @property
    def own_param_names(self) -> tuple[str, ...]:
        return self.param_names[:-1]  # what is below is the application's path

    def under(self, prefix: str) -> "Mount":
        return Mount(prefix + self.prefix, self.app, name=self.name or None)

    def path_for(self, name: str, params: Mapping[str, Any]) -> URLPath:
        if self.name and name == self.name and "path" in params:
            return super().path_for(name, {**params, "path": str(params["path"]).lstrip("/")})
        names, rest = self.own_param_names, self._name_below(name)
        if rest is None or not params.keys() >= set(names):
            raise no_match(name, params)
        below = path_for(self.routes, rest, {key: value for key, value in params.items() if key not in names})
        return URLPath(filled(self.prefix, params) + below, below.protocol, below.host)

    def matches(self, scope: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        kind, child = super().matches(scope)
        if kind is not match_kinds().NONE:
            below = child["path_params"].pop("path")
            outer = scope.get("root_path", "")
            child["app_root_path"] = scope.get("app_root_path", outer)
            child["root_path"] = scope["path"].removesuffix("/" + below)
        return kind, child


class AsgiRoute(_Application):
    """An ASGI application that gets the requests for one path, whatever their method.

    Args:
        path: as for handlers.
        app: the application.
        name: for `url_path_for`.
    """

    may_be_websocket = True
    protocol = "http"

    def __init__(self, path: str, app: Any, name: str | None = None) -> None:
        super().__init__(path, METHODS, name=name or type(app).__name__)
        self.app = app

    def make_entry(self, context: "Context", *, generate: bool) -> "CallEntry":
        from covet.mounted import entry_of

        converters = self.converters()

        def prefix_of(x: "Exchange") -> tuple[str, dict[str, Any]]:
            return "", {name: converters.get(name, str)(x.path_str(i)) for i, name in enumerate(self.param_names)}

        return (entry_of(self, prefix_of, context), 200, False)

    def under(self, prefix: str) -> "AsgiRoute":
        return AsgiRoute(prefix + self.path, self.app, self.name)


class Otherwise(AsgiRoute):
    """What a mounted router has for requests that no route of its own matches.

    Args:
        router: the router.
    """

    last_resort = True

    def __init__(self, router: "APIRouter") -> None:
        super().__init__("/", router.default)
        self.layers = (router.user_middleware,)


class Host(_Application):
    """Another application, which gets every request for a host.

    Args:
        host: such as "api.example.com" or "{tenant}.example.com".
        app: a CovetPy or ASGI application, or a router.
        name: for `url_path_for`.
    """

    by_path = False

    def __init__(self, host: str, app: Any, name: str | None = None) -> None:
        super().__init__("/", METHODS, name=name or "")
        self.host = host
        self.app = app
        pattern, end = "", 0
        for found in PARAMETER.finditer(host):
            pattern += re.escape(host[end : found.start()]) + f"(?P<{found[1]}>[^.]+)"
            end = found.end()
        self._pattern = re.compile(pattern + re.escape(host[end:]), re.IGNORECASE)

    def match(self, host: str) -> dict[str, str] | None:
        """The host's parameters if it fits, else None. A port does not count."""
        found = self._pattern.fullmatch(re.sub(r":\d+$", "", host))
        return None if found is None else {name: text.lower() for name, text in found.groupdict().items()}

    @property
    def own_param_names(self) -> tuple[str, ...]:
        return tuple(found[1] for found in PARAMETER.finditer(self.host))

    def under(self, prefix: str) -> "Host":
        return self

    def path_for(self, name: str, params: Mapping[str, Any]) -> URLPath:
        names, rest = self.own_param_names, self._name_below(name)
        left = {key: value for key, value in params.items() if key not in names}
        if params.keys() >= set(names):
            host = filled(self.host, params)
            if self.name and name == self.name and left.keys() == {"path"}:
                return URLPath(str(left["path"]), host=host)
            if rest is not None:
                below = path_for(self.routes, rest, left)
                return URLPath(below, below.protocol, below.host or host)
        raise no_match(name, params)


class WebSocketRoute(Route):
    """A handler of WebSockets.

    Args:
        path: as for handlers of HTTP.
        endpoint: the handler.
        name: what the route is called; the handler's name if it is None.
        dependencies: dependencies whose results nobody wants.
        dependency_overrides_provider: whose `dependency_overrides` count.
        exception_handlers: those of its routers, which come before the application's.

    Raises:
        TypeError: a parameter cannot come from a request.
        ValueError: the path cannot be used.
    """

    may_be_websocket = True
    protocol = "websocket"

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        name: str | None = None,
        dependencies: Sequence[Any] | None = None,
        dependency_overrides_provider: Any = None,
        exception_handlers: Mapping[Any, Any] | None = None,
    ) -> None:
        super().__init__(path, (WEBSOCKET,), endpoint, name=name or str(getattr(endpoint, "__name__", "")))
        self.endpoint = endpoint
        self.dependencies = list(dependencies or ())
        self.dependency_overrides_provider = dependency_overrides_provider
        self.exception_handlers = dict(exception_handlers or {})
        self.dependant: Dependant = get_dependant(self.param_names, endpoint, scope="function")
        add_unnamed(self.dependant, self.dependencies, self.param_names)

    def make_entry(self, context: "Context", *, generate: bool) -> "CallEntry":
        from covet.wsdispatch import entry_of

        return (entry_of(self, context), 200, False)


APIWebSocketRoute = WebSocketRoute
