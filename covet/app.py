"""The application: routes, exception handlers, lifespan and settings."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

from covet.apiroute import RouteOptions, generate_unique_id
from covet.config import Settings
from covet.datastructures import State
from covet.defaults import Default
from covet.description import Described
from covet.dispatch import is_status
from covet.exceptions import is_http_exception_class
from covet.figures import Figures, Observed
from covet.handlers import ExceptionHandler
from covet.health import Health
from covet.lifespan import Hook, LifespanOf
from covet.middleware import Middleware
from covet.middleware.registry import MiddlewareRegistry
from covet.responses import JSONResponse
from covet.routemethods import RouteMethods
from covet.routers import APIRouter
from covet.routing import Route
from covet.topics import Topics
from covet.urls import URLPath

if TYPE_CHECKING:
    from covet.asgi.app import AsgiApplication
    from covet.controllers import Controller
    from covet.telemetry.config import TelemetryConfig

Handler = TypeVar("Handler", bound=Callable[..., Any])
HookFunction = TypeVar("HookFunction", bound=Hook)
Decorator = Callable[[Handler], Handler]


class CovetPy(MiddlewareRegistry, RouteMethods, Described, Observed, Health):
    """A web application.

    Sizes are bytes, or text with a unit of 1,024 such as "64KB"; times are
    seconds; None is no limit. A value that cannot be used raises ConfigError,
    a ValueError that names the setting.

    Args:
        title: the application's name.
        version: the application's version.
        debug: 500 answers show the traceback.
        workers: worker processes, from 1 to 64, or "auto"; `covet run` starts them, `run` serves with one.
        worker_connections: connections open at a time, on each engine loop.
        request_buffer_size: a request's line and header together, from 4,096 to 65,535 bytes.
        response_buffer_size: output gathered for one connection before it is sent.
        keepalive_timeout: how long an idle connection stays open; 0 closes it after each answer.
        request_timeout: the time for one request, head and answer.
        header_timeout: the time for a request's head to arrive, and for a new connection's first byte.
        body_timeout: how long a request's body, or a client that reads an answer, may make no progress.
        max_body_size: the largest request body.
        enable_io_uring: io_uring where the kernel allows it; else epoll.
        enable_simd: wide compares in the parser.
        enable_jit: code made at start-up, for each route and for the engine's JSON.
        memory_pool_size: shared memory between engine and worker; pages are taken when they are used.
        connection_pool_size: closed connections kept for reuse.
        redirect_slashes: redirect a path with a slash too many or too few at its end.
        max_exchanges: requests in work at a time, on each engine loop; further ones wait.
        backpressure: requests that may wait, on each engine loop; further ones get 503.
        threads: blocking functions that run at a time, such as `def` handlers; further ones wait.
        ws_max_size: the largest WebSocket message; a larger one closes the connection with code 1009.
        ws_max_queue: messages of one WebSocket that may wait for its handler; then its client has to wait.
        ws_ping_interval: for how long a WebSocket may be quiet before its client is pinged.
        ws_ping_timeout: how long its answer may take; then the connection is closed with code 1011.
        ws_per_message_deflate: compress WebSocket messages if the client can (RFC 7692).
        ws_context_takeover: let compressed messages refer to earlier ones, which costs up to 64 KiB per WebSocket.
        ws_origins: the origins whose pages may open WebSockets, such as "https://example.com"; None is all.
        lifespan: a function of the application that gives an asynchronous context manager; a
            mapping that it yields is where each `request.state` begins.
        middleware: what stands around the application; the outermost comes first.
        on_startup: functions to call before the server listens.
        on_shutdown: functions to call after the last request.
        routes: routes that exist already.
        dependencies: dependencies of all routes, whose results nobody wants.
        default_response_class: the class of responses to results that are none.
        exception_handlers: what answers exceptions, by class or status.
        responses: further responses of all routes, in the OpenAPI document.
        callbacks, webhooks, deprecated, include_in_schema, generate_unique_id_function,
        separate_input_output_schemas, summary, description, openapi_url, openapi_tags, openapi_external_docs, servers,
        terms_of_service, contact, license_info: what the OpenAPI document says.
        docs_url, redoc_url, scalar_url: where its pages are; None for none.
        swagger_ui_oauth2_redirect_url, swagger_ui_init_oauth, swagger_ui_parameters: settings of the page at docs_url.
        strict_content_type: read bodies as JSON only if their content type says so.
        form_limits: limits of forms that handlers take as parameters; see `Request.form`.
        root_path: the path under which a proxy publishes the application.
        root_path_in_servers: name it in the OpenAPI document.
        problem_details: errors are application/problem+json (RFC 9457).
        telemetry: spans, metrics and logs for OpenTelemetry; see `covet.telemetry.TelemetryConfig`. By default there
            are some if OpenTelemetry's SDK is loaded and has providers.
    """

    def __init__(
        self,
        *,
        title: str = "CovetPy",
        version: str = "0.1.0",
        debug: bool = False,
        workers: int | str = 1,
        worker_connections: int = 16384,
        request_buffer_size: int | str = 65535,
        response_buffer_size: int | str = 65536,
        keepalive_timeout: float | None = 5.0,
        request_timeout: float | None = None,
        header_timeout: float = 10.0,
        body_timeout: float = 60.0,
        max_body_size: int | str | None = "100MB",
        enable_io_uring: bool = True,
        enable_simd: bool = True,
        enable_jit: bool = True,
        memory_pool_size: int | str = "1GB",
        connection_pool_size: int = 256,
        redirect_slashes: bool = True,
        max_exchanges: int = 4096,
        backpressure: int = 1024,
        threads: int = 40,
        ws_max_size: int | str = "16MB",
        ws_max_queue: int = 32,
        ws_ping_interval: float | None = 20.0,
        ws_ping_timeout: float | None = 20.0,
        ws_per_message_deflate: bool = True,
        ws_context_takeover: bool = False,
        ws_origins: Sequence[str] | None = None,
        lifespan: LifespanOf | None = None,
        middleware: Sequence[Middleware] | None = None,
        on_startup: Sequence[Hook] | None = None,
        on_shutdown: Sequence[Hook] | None = None,
        routes: Sequence[Route] | None = None,
        dependencies: Sequence[Any] | None = None,
        default_response_class: Any = Default(JSONResponse),
        exception_handlers: Mapping[int | type[Exception], ExceptionHandler] | None = None,
        responses: Mapping[int | str, Mapping[str, Any]] | None = None,
        callbacks: Sequence[Route] | None = None,
        webhooks: APIRouter | None = None,
        deprecated: bool | None = None,
        include_in_schema: bool = True,
        generate_unique_id_function: Any = Default(generate_unique_id),
        separate_input_output_schemas: bool = True,
        strict_content_type: bool = True,
        form_limits: Mapping[str, Any] | None = None,
        root_path: str = "",
        root_path_in_servers: bool = True,
        summary: str | None = None,
        description: str = "",
        openapi_url: str | None = "/openapi.json",
        openapi_tags: Sequence[Mapping[str, Any]] | None = None,
        openapi_external_docs: Mapping[str, Any] | None = None,
        servers: Sequence[Mapping[str, Any]] | None = None,
        docs_url: str | None = "/docs",
        redoc_url: str | None = "/redoc",
        scalar_url: str | None = "/scalar",
        swagger_ui_oauth2_redirect_url: str | None = "/docs/oauth2-redirect",
        swagger_ui_init_oauth: Mapping[str, Any] | None = None,
        swagger_ui_parameters: Mapping[str, Any] | None = None,
        terms_of_service: str | None = None,
        contact: Mapping[str, Any] | None = None,
        license_info: Mapping[str, Any] | None = None,
        problem_details: bool = False,
        telemetry: "TelemetryConfig | None" = None,
    ) -> None:
        self._settings = Settings(
            title=title,
            version=version,
            debug=debug,
            workers=workers,
            worker_connections=worker_connections,
            request_buffer_size=request_buffer_size,
            response_buffer_size=response_buffer_size,
            keepalive_timeout=keepalive_timeout,
            request_timeout=request_timeout,
            header_timeout=header_timeout,
            body_timeout=body_timeout,
            max_body_size=max_body_size,
            enable_io_uring=enable_io_uring,
            enable_simd=enable_simd,
            enable_jit=enable_jit,
            memory_pool_size=memory_pool_size,
            connection_pool_size=connection_pool_size,
            redirect_slashes=redirect_slashes,
            max_exchanges=max_exchanges,
            backpressure=backpressure,
            threads=threads,
            ws_max_size=ws_max_size,
            ws_max_queue=ws_max_queue,
            ws_ping_interval=ws_ping_interval,
            ws_ping_timeout=ws_ping_timeout,
            ws_per_message_deflate=ws_per_message_deflate,
            ws_context_takeover=ws_context_takeover,
            ws_origins=None if ws_origins is None else tuple(ws_origins),
        )
        self.state = State()
        self.figures = Figures()
        self.topics = Topics()
        self.set_middleware(middleware)
        self.dependency_overrides: dict[Callable[..., Any], Callable[..., Any]] = {}
        self.exception_handlers: dict[int | type[Exception], ExceptionHandler] = dict(exception_handlers or {})
        self.root_path = root_path
        self.summary = summary
        self.description = description
        self.terms_of_service = terms_of_service
        self.contact = contact
        self.license_info = license_info
        self.openapi_url = openapi_url
        self.docs_url = docs_url
        self.redoc_url = redoc_url
        self.scalar_url = scalar_url
        self.openapi_tags = openapi_tags
        self.openapi_external_docs = openapi_external_docs
        self.servers = list(servers or ())
        self.swagger_ui_oauth2_redirect_url = swagger_ui_oauth2_redirect_url
        self.swagger_ui_init_oauth = swagger_ui_init_oauth
        self.swagger_ui_parameters = swagger_ui_parameters
        self.separate_input_output_schemas = separate_input_output_schemas
        self.root_path_in_servers = root_path_in_servers
        self.problem_details = problem_details
        if telemetry is not None:
            from covet.telemetry.config import settings_of

            settings_of(telemetry)  # what cannot be used is told at once
            self.telemetry = telemetry
        self.openapi_schema: dict[str, Any] | None = None
        self._described = 0
        self._documented = False
        self.webhooks = APIRouter() if webhooks is None else webhooks
        self.router = APIRouter(
            routes=routes,
            redirect_slashes=redirect_slashes,
            dependencies=dependencies,
            default_response_class=default_response_class,
            responses=responses,
            callbacks=callbacks,
            deprecated=deprecated,
            include_in_schema=include_in_schema,
            generate_unique_id_function=generate_unique_id_function,
            strict_content_type=strict_content_type,
            form_limits=form_limits,
            dependency_overrides_provider=self,
            lifespan=lifespan,
            on_startup=on_startup,
            on_shutdown=on_shutdown,
        )
        self.router.serves = True
        self.is_router = False  # it stands in for a router that is mounted: the application is the one around
        self._asgi: AsgiApplication | None = None

    @property
    def settings(self) -> Settings:
        """How the application is served; `router.redirect_slashes` may have been assigned meanwhile."""
        if self._settings.redirect_slashes is not self.router.redirect_slashes:
            self._settings = replace(self._settings, redirect_slashes=self.router.redirect_slashes)
        return self._settings

    @property
    def title(self) -> str:
        """The application's name."""
        return self.settings.title

    @title.setter
    def title(self, title: str) -> None:
        self._settings = self.with_settings({"title": title})

    @property
    def version(self) -> str:
        """The application's version."""
        return self.settings.version

    @version.setter
    def version(self, version: str) -> None:
        self._settings = self.with_settings({"version": version})

    @property
    def debug(self) -> bool:
        """Whether 500 answers show the traceback; what is set after the first request may come too late."""
        return self.settings.debug

    @debug.setter
    def debug(self, debug: bool) -> None:
        self._settings = self.with_settings({"debug": debug})

    @property
    def max_body_size(self) -> int | str | None:
        """The largest request body; see the argument of this name."""
        return self.settings.max_body_size

    # ---- routes -------------------------------------------------------------

    @property
    def routes(self) -> list[Route]:
        """The routes, in order of registration."""
        return self.router.routes

    def add_api_route(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        methods: Sequence[str] | set[str] | None = None,
        **options: Unpack[RouteOptions],
    ) -> Route:
        return self.router.add_api_route(path, endpoint, methods=methods, **options)

    def add_api_websocket_route(
        self, path: str, endpoint: Callable[..., Any], name: str | None = None, *, dependencies: Any = None
    ) -> Route:
        return self.router.add_api_websocket_route(path, endpoint, name, dependencies=dependencies)

    def add_route(  # type: ignore[override]  # Starlette's applications and routers differ in this name
        self,
        path: str,
        route: Callable[..., Any],
        methods: Sequence[str] | None = None,
        name: str | None = None,
        include_in_schema: bool | None = None,
        **options: Any,
    ) -> Route:
        return super().add_route(path, route, methods, name, include_in_schema, **options)

    def _register(self, route: Route) -> None:
        self.router._register(route)

    def include_router(self, router: "APIRouter | type[Controller]", **options: Any) -> None:
        """Includes the routes of a router or a Controller; see `APIRouter.include_router` for the options."""
        self.router.include_router(router, **options)

    def mount(self, path: str, app: Any, name: str | None = None) -> None:
        """Gives every request below a path to another application; see `APIRouter.mount`."""
        self.router.mount(path, app, name)

    def host(self, host: str, app: Any, name: str | None = None) -> None:
        """Gives every request for a host to another application; see `APIRouter.host`."""
        self.router.host(host, app, name)

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """The path of the route with a name. Raises NoMatchFound."""
        return self.router.url_path_for(name, **path_params)

    # ---- exceptions -----------------------------------------------------------

    def add_exception_handler(self, exc_class_or_status_code: int | type[Exception], handler: ExceptionHandler) -> None:
        """Registers what answers an exception class and those derived from it, or HTTPExceptions of a status."""
        key = exc_class_or_status_code
        if not (isinstance(key, type) and issubclass(key, Exception)) and not is_status(key):
            raise TypeError(f"exception_handler takes an exception class or a status from 200 to 599, not {key!r}")
        self.exception_handlers[key] = handler
        if self._asgi is not None:
            self._asgi.forget()

    def exception_handler(self, exc_class_or_status_code: int | type[Exception]) -> Decorator[Any]:
        """Registers the decorated function, which is called with the request and the exception."""

        def register(handler: Handler) -> Handler:
            self.add_exception_handler(exc_class_or_status_code, handler)
            return handler

        return register

    @property
    def answers_unmatched(self) -> bool:
        """Whether requests that match no route are answered by an exception handler instead of the engine."""
        if self.problem_details:
            return True
        keys = self.exception_handlers
        return any(key in (404, 405) or (isinstance(key, type) and is_http_exception_class(key)) for key in keys)

    # ---- start-up and shutdown --------------------------------------------------

    @property
    def lifespan(self) -> LifespanOf | None:
        """The application's context manager, those of included routers within it."""
        return self.router.lifespan  # type: ignore[no-any-return]

    @property
    def startup_hooks(self) -> list[Hook]:
        """Functions to call before the server listens."""
        return self.router.on_startup

    @property
    def shutdown_hooks(self) -> list[Hook]:
        """Functions to call after the last request."""
        return self.router.on_shutdown

    @overload
    def on_startup(self, hook: HookFunction) -> HookFunction: ...
    @overload
    def on_startup(self) -> Callable[[HookFunction], HookFunction]: ...
    def on_startup(self, hook: Any = None) -> Any:
        """Registers the decorated function to be called before the server listens."""
        return self._hook(self.startup_hooks, hook)

    @overload
    def on_shutdown(self, hook: HookFunction) -> HookFunction: ...
    @overload
    def on_shutdown(self) -> Callable[[HookFunction], HookFunction]: ...
    def on_shutdown(self, hook: Any = None) -> Any:
        """Registers the decorated function to be called after the last request."""
        return self._hook(self.shutdown_hooks, hook)

    def on_event(self, event_type: str) -> Callable[[HookFunction], HookFunction]:
        """`on_startup` or `on_shutdown`, by the name "startup" or "shutdown"; deprecated, as in FastAPI."""
        return self.router.on_event(event_type)

    def add_event_handler(self, event_type: str, func: Hook) -> None:
        """Registers a function to be called at "startup" or "shutdown"."""
        self.router.add_event_handler(event_type, func)

    @staticmethod
    def _hook(hooks: list[Hook], hook: Any) -> Any:
        def register(function: Any) -> Any:
            hooks.append(function)
            return function

        return register if hook is None else register(hook)

    # ---- WebSockets ---------------------------------------------------------------

    def publish(self, topic: str, data: Any) -> None:
        """Sends a message to every WebSocket that has subscribed to a topic, in all workers of the server.

        The engine does that, so that it costs the caller the same for one subscriber and for many; it does not wait
        for them. A client that reads so slowly that 1 MiB waits for it is closed with code 1013. Over an ASGI server
        the WebSockets of this process get the message.

        Args:
            topic: the topic's name.
            data: text, bytes for a binary message, or anything else that JSON can say.

        Raises:
            BufferError: 64 MiB wait for the engine to take them.
            ValueError: the topic's name is empty or has more than 65,535 bytes.
        """
        self.topics.publish(topic, data)

    # ---- serving ------------------------------------------------------------------

    def run(self, host: str | None = None, port: int | None = None, **options: Any) -> None:
        """Serves in this process, with one worker, until SIGINT or SIGTERM; see `covet.run` for the options."""
        from covet.running import run

        run(self, host=host, port=port, **options)

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        """Answers one ASGI 3 connection, so that any ASGI server can serve the application.

        Args:
            scope: of type http, lifespan or websocket.
            receive: gives the next event.
            send: takes an event.

        Raises:
            Exception: what nothing has answered, or what ended a response before it was complete.
            ValueError: the scope has another type.
        """
        if self._asgi is None:
            from covet.asgi.app import AsgiApplication

            self._asgi = AsgiApplication(self)
        if self.root_path and not scope.get("root_path"):
            scope["root_path"] = self.root_path
        await self._asgi(scope, receive, send)

    def with_settings(self, changes: Mapping[str, Any]) -> Settings:
        """The application's settings with some of them replaced. Raises ConfigError."""
        return replace(self.settings, **changes) if changes else self.settings
