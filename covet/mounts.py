"""Routes that are no handlers of HTTP requests: other applications, hosts, and WebSockets."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from covet.dependant import Dependant, add_unnamed, get_dependant
from covet.exceptions import DeclarationError
from covet.routing import PARAMETER, WEBSOCKET, NoMatchFound, Route, path_for

if TYPE_CHECKING:
    from covet.core import Exchange
    from covet.interfaces import CallEntry
    from covet.requests import Context

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")


class Mount(Route):
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
        super().__init__(self.prefix + "/{path:path}", (*METHODS, WEBSOCKET), name=name or "")
        self.app = app

    @property
    def may_be_websocket(self) -> bool:  # type: ignore[override]
        """Whether the application may take WebSockets: files cannot."""
        return type(self.app).__name__ not in ("StaticFiles", "WSGIMiddleware")

    def make_entry(self, context: "Context", *, generate: bool) -> "CallEntry":
        from covet.mounted import entry_of

        names = self.param_names[:-1]
        own = Route(self.prefix, ("GET",), name="it") if names else None

        def prefix_of(x: "Exchange") -> tuple[str, dict[str, str]]:
            params = {name: x.path_str(i) for i, name in enumerate(names)}
            return (self.prefix if own is None else unquote(own.path_for("it", params))), params

        return (entry_of(self.app, prefix_of, context), 200, False)

    def under(self, prefix: str) -> "Mount":
        return Mount(prefix + self.prefix, self.app, name=self.name or None)

    def path_for(self, name: str, params: Mapping[str, Any]) -> str:
        if self.name and name == self.name and "path" in params:
            return super().path_for(name, {**params, "path": str(params["path"]).lstrip("/")})
        own = self.name + ":" if self.name else ""
        if name.startswith(own):
            rest = name[len(own) :]
            names = {found[1] for found in PARAMETER.finditer(self.prefix)}
            below = {key: value for key, value in params.items() if key not in names}
            routes = getattr(self.app, "routes", None) or ()
            prefix = Route(self.prefix or "/", ("GET",), name="it").path_for("it", {k: params[k] for k in names})
            if isinstance(routes, Sequence) and all(isinstance(route, Route) for route in routes):
                return prefix.rstrip("/") + path_for(routes, rest, below)
        raise NoMatchFound(name, params)


class AsgiRoute(Route):
    """An ASGI application that gets the requests for one path, whatever their method.

    Args:
        path: as for handlers.
        app: the application.
        name: for `url_path_for`.
    """

    may_be_websocket = True

    def __init__(self, path: str, app: Any, name: str | None = None) -> None:
        super().__init__(path, METHODS, name=name or type(app).__name__)
        self.app = app

    def make_entry(self, context: "Context", *, generate: bool) -> "CallEntry":
        from covet.mounted import entry_of

        def prefix_of(x: "Exchange") -> tuple[str, dict[str, str]]:
            return "", {name: x.path_str(i) for i, name in enumerate(self.param_names)}

        return (entry_of(self.app, prefix_of, context), 200, False)

    def under(self, prefix: str) -> "AsgiRoute":
        return AsgiRoute(prefix + self.path, self.app, self.name)


class Host(Route):
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
        return None if found is None else found.groupdict()

    def call_of(self, context: "Context") -> Callable[["Exchange"], Any]:
        """What the runner calls for requests of the host."""
        from covet.mounted import entry_of

        return entry_of(self.app, lambda x: ("", self.match(x.host) or {}), context)

    def under(self, prefix: str) -> "Host":
        return self

    def path_for(self, name: str, params: Mapping[str, Any]) -> str:
        raise NoMatchFound(name, params)


class WebSocketRoute(Route):
    """A handler of WebSockets.

    Args:
        path: as for handlers of HTTP.
        endpoint: the handler.
        name: what the route is called; the handler's name if it is None.
        dependencies: dependencies whose results nobody wants.
        dependency_overrides_provider: whose `dependency_overrides` count.

    Raises:
        TypeError: a parameter cannot come from a request.
        ValueError: the path cannot be used.
    """

    may_be_websocket = True

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        name: str | None = None,
        dependencies: Sequence[Any] | None = None,
        dependency_overrides_provider: Any = None,
    ) -> None:
        super().__init__(path, (WEBSOCKET,), endpoint, name=name or str(getattr(endpoint, "__name__", "")))
        self.endpoint = endpoint
        self.dependencies = list(dependencies or ())
        self.dependency_overrides_provider = dependency_overrides_provider
        self.dependant: Dependant = get_dependant(self.param_names, endpoint, scope="function")
        add_unnamed(self.dependant, self.dependencies, self.param_names)

    def make_entry(self, context: "Context", *, generate: bool) -> "CallEntry":
        from covet.wsdispatch import entry_of

        return (entry_of(self, context), 200, False)


APIWebSocketRoute = WebSocketRoute
