"""The decorators that register handlers, which applications and routers share."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, overload

from covet.apiroute import RouteOptions
from covet.dispatch import to_response
from covet.responses import Response
from covet.routing import Route, checked_methods

if TYPE_CHECKING:
    import os

Handler = TypeVar("Handler", bound=Callable[..., Any])
Decorator = Callable[[Handler], Handler]


class RouteMethods:
    """The decorators that register handlers; what they register is up to `add_api_route`."""

    def add_api_route(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        methods: Sequence[str] | set[str] | None = None,
        **options: Unpack[RouteOptions],
    ) -> Route:
        """Registers a handler.

        Args:
            path: such as "/items/{item_id}", "{n:int}", "{x:float}", "{u:uuid}" or, at the end, "{rest:path}".
            endpoint: an `async def` function, a `def` function, which runs in a thread, or one that yields.
            methods: the methods that it answers; GET if it is None.
            options: see RouteOptions.

        Raises:
            TypeError: the handler has a parameter that cannot come from a request.
            ValueError: the path, the methods or the status cannot be used.
        """
        raise NotImplementedError

    def add_api_websocket_route(
        self, path: str, endpoint: Callable[..., Any], name: str | None = None, *, dependencies: Any = None
    ) -> Route:
        """Registers a handler of WebSockets.

        Args:
            path: as for `add_api_route`.
            endpoint: an `async def` function with a parameter of the type WebSocket.
            name: what the route is called; the handler's name if it is None.
            dependencies: dependencies whose results nobody wants.
        """
        raise NotImplementedError

    def add_constant(
        self,
        path: str,
        constant: Any,
        methods: Sequence[str] = ("GET",),
        *,
        status_code: int = 200,
        name: str | None = None,
    ) -> Route:
        """Registers an answer that the engine gives without Python.

        Args:
            path: as for `add_api_route`.
            constant: a Response, or anything else that a handler may return.
            methods: the methods that it answers.
            status_code: the status if `constant` names none.
            name: what the route is called.
        """
        response = to_response(constant, status_code)
        if not hasattr(response, "body"):
            raise TypeError(f"route {path}: a StreamingResponse cannot be constant")
        allowed = checked_methods(methods, path)
        route = Route(self._full_path(path), allowed, status_code=status_code, name=name or "", constant=response)
        self._register(route)
        return route

    def _register(self, route: Route) -> None:
        raise NotImplementedError

    def _full_path(self, path: str) -> str:
        return path

    def add_route(
        self,
        path: str,
        endpoint: Callable[..., Any],
        methods: Sequence[str] | None = None,
        name: str | None = None,
        include_in_schema: bool | None = None,
        **options: Any,
    ) -> Route:
        """`add_api_route`, which also takes what Starlette's `add_route` takes.

        Args:
            path: as for `add_api_route`.
            endpoint: a handler; a function whose only parameter has no annotation, and is not in the path, gets the
                Request; an object that is called with `scope`, `receive` and `send` is an ASGI application, which
                gets the requests with any method.
            methods: the methods that it answers; GET if it is None.
            name: what the route is called; the handler's name if it is None.
            include_in_schema: show it in the OpenAPI document; None does for all but handlers of a Request alone.
            options: see RouteOptions.
        """
        from covet.endpoints import is_asgi, wants_request_alone, with_request
        from covet.mounts import AsgiRoute

        methods = ("GET",) if methods is None else methods
        if is_asgi(endpoint):
            route = AsgiRoute(self._full_path(path), endpoint, name)
            self._register(route)
            return route
        alone = wants_request_alone(endpoint, self._full_path(path))
        if alone:
            endpoint = with_request(endpoint)
            methods = [*methods, "HEAD"] if "GET" in methods and "HEAD" not in methods else methods
        shown = not alone if include_in_schema is None else include_in_schema
        return self.add_api_route(path, endpoint, methods=methods, name=name, include_in_schema=shown, **options)

    @overload
    def route(self, path: str, methods: Sequence[str] = ..., *, constant: Response, **options: Any) -> Route: ...
    @overload
    def route(self, path: str, methods: Sequence[str] = ..., **options: Unpack[RouteOptions]) -> Decorator[Any]: ...
    def route(self, path: str, methods: Sequence[str] = ("GET",), **options: Any) -> Any:
        """Registers the decorated handler for several methods; see `add_api_route` for the options.

        With `constant=`, it registers that answer and there is nothing to decorate.
        """
        constant = options.pop("constant", None)
        if constant is not None:
            return self.add_constant(path, constant, methods, **options)

        def register(handler: Handler) -> Handler:
            self.add_api_route(path, handler, methods=methods, **options)
            return handler

        return register

    def api_route(
        self, path: str, *, methods: Sequence[str] | None = None, **options: Unpack[RouteOptions]
    ) -> Callable[[Handler], Handler]:
        """Registers the decorated handler for several methods; see `add_api_route` for the options."""

        def register(handler: Handler) -> Handler:
            self.add_api_route(path, handler, methods=methods, **options)
            return handler

        return register

    @overload
    def get(self, path: str, *, constant: Response, **options: Any) -> Route: ...
    @overload
    def get(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[Handler], Handler]: ...
    def get(self, path: str, **options: Any) -> Any:
        """Registers the decorated handler for GET; see `add_api_route` for the options."""
        return self.route(path, ("GET",), **options)

    @overload
    def post(self, path: str, *, constant: Response, **options: Any) -> Route: ...
    @overload
    def post(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[Handler], Handler]: ...
    def post(self, path: str, **options: Any) -> Any:
        """Registers the decorated handler for POST; see `add_api_route` for the options."""
        return self.route(path, ("POST",), **options)

    @overload
    def put(self, path: str, *, constant: Response, **options: Any) -> Route: ...
    @overload
    def put(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[Handler], Handler]: ...
    def put(self, path: str, **options: Any) -> Any:
        """Registers the decorated handler for PUT; see `add_api_route` for the options."""
        return self.route(path, ("PUT",), **options)

    @overload
    def patch(self, path: str, *, constant: Response, **options: Any) -> Route: ...
    @overload
    def patch(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[Handler], Handler]: ...
    def patch(self, path: str, **options: Any) -> Any:
        """Registers the decorated handler for PATCH; see `add_api_route` for the options."""
        return self.route(path, ("PATCH",), **options)

    @overload
    def delete(self, path: str, *, constant: Response, **options: Any) -> Route: ...
    @overload
    def delete(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[Handler], Handler]: ...
    def delete(self, path: str, **options: Any) -> Any:
        """Registers the decorated handler for DELETE; see `add_api_route` for the options."""
        return self.route(path, ("DELETE",), **options)

    @overload
    def head(self, path: str, *, constant: Response, **options: Any) -> Route: ...
    @overload
    def head(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[Handler], Handler]: ...
    def head(self, path: str, **options: Any) -> Any:
        """Registers the decorated handler for HEAD; see `add_api_route` for the options."""
        return self.route(path, ("HEAD",), **options)

    @overload
    def options(self, path: str, *, constant: Response, **options: Any) -> Route: ...
    @overload
    def options(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[Handler], Handler]: ...
    def options(self, path: str, **options: Any) -> Any:
        """Registers the decorated handler for OPTIONS; see `add_api_route` for the options."""
        return self.route(path, ("OPTIONS",), **options)

    def trace(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[Handler], Handler]:
        """Registers the decorated handler for TRACE; see `add_api_route` for the options."""
        return self.api_route(path, methods=("TRACE",), **options)

    def stream(
        self, path: str, methods: Sequence[str] = ("GET",), **options: Unpack[RouteOptions]
    ) -> Callable[[Handler], Handler]:
        """Registers the decorated generator function: bytes and text that it yields are sent as they come.

        See `add_api_route` for the options. `response_class` is StreamingResponse if it is not given.
        """
        from covet.streaming import StreamingResponse

        options.setdefault("response_class", StreamingResponse)
        return self.api_route(path, methods=methods, **options)

    def websocket(
        self, path: str, name: str | None = None, *, dependencies: Sequence[Any] | None = None
    ) -> Callable[[Handler], Handler]:
        """Registers the decorated handler of WebSockets; see `add_api_websocket_route`."""

        def register(handler: Handler) -> Handler:
            self.add_api_websocket_route(path, handler, name, dependencies=dependencies)
            return handler

        return register

    def frontend(
        self,
        path: str,
        *,
        directory: "str | os.PathLike[str]",
        fallback: Literal["auto", "index.html", "404.html"] | None = "auto",
        check_dir: bool | Literal["auto"] = "auto",
    ) -> None:
        """Serves the build of a frontend tool below a path, where no other route is.

        Args:
            path: such as "/" or "/app".
            directory: the folder.
            fallback: what answers paths without a file: "404.html" with status 404, "index.html" for whoever accepts
                HTML, "auto" for the one of them that exists, None for neither.
            check_dir: refuse a folder that does not exist at once; "auto" only warns while it is being developed:
                if COVET_ENV, or else FASTAPI_ENV, is "development", as `covet dev` has it.

        Raises:
            AssertionError: the path does not start with "/", or there is no such fallback.
            RuntimeError: the folder or the fallback does not exist.
        """
        from covet.frontend import Below, FrontendFiles, FrontendRoute, checked

        if not path.startswith("/"):
            raise AssertionError("A frontend path must start with '/'")
        files = FrontendFiles(directory, fallback, check_dir=checked(directory, check_dir))
        options: dict[str, Any] = {"route_class_override": FrontendRoute, "include_in_schema": False}
        self.add_api_route(path, Below(files, path).answer, methods=("GET", "HEAD"), **options)

    def websocket_route(self, path: str, name: str | None = None) -> Callable[[Handler], Handler]:
        """`add_websocket_route` for the decorated function."""

        def register(handler: Handler) -> Handler:
            self.add_websocket_route(path, handler, name)
            return handler

        return register

    def add_websocket_route(self, path: str, endpoint: Callable[..., Any], name: str | None = None) -> Route:
        """`add_api_websocket_route`, which also takes a function whose only parameter has no annotation."""
        from covet.endpoints import with_websocket

        return self.add_api_websocket_route(path, with_websocket(endpoint, self._full_path(path)), name)
