"""The application: routes, exception handlers, lifespan and settings."""

import inspect
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from covet.config import Settings
from covet.datastructures import State
from covet.dispatch import ExceptionHandler, is_status, to_response
from covet.exceptions import HTTPException
from covet.figures import Figures
from covet.lifespan import Hook, LifespanOf
from covet.middleware import Middleware
from covet.middleware.registry import MiddlewareRegistry
from covet.params import parameters_of
from covet.responses import Response, StreamingResponse
from covet.routing import Route, checked_methods, path_names

if TYPE_CHECKING:
    from covet.asgi.app import AsgiApplication

Handler = TypeVar("Handler", bound=Callable[..., Any])
HookFunction = TypeVar("HookFunction", bound=Hook)
Decorator = Callable[[Handler], Handler]


class CovetPy(MiddlewareRegistry):
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
        lifespan: a function of the application that gives an asynchronous context manager; a
            mapping that it yields is where each `request.state` begins.
        middleware: what stands around the application; the outermost comes first.
        on_startup: functions to call before the server listens.
        on_shutdown: functions to call after the last request.
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
        lifespan: LifespanOf | None = None,
        middleware: Sequence[Middleware] | None = None,
        on_startup: Sequence[Hook] | None = None,
        on_shutdown: Sequence[Hook] | None = None,
    ) -> None:
        self.settings = Settings(
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
        )
        self.state = State()
        self.figures = Figures()
        self.routes: list[Route] = []
        self.set_middleware(middleware)
        self.exception_handlers: dict[int | type[Exception], ExceptionHandler] = {}
        self.lifespan = lifespan
        self.startup_hooks: list[Hook] = list(on_startup or ())
        self.shutdown_hooks: list[Hook] = list(on_shutdown or ())
        self._asgi: AsgiApplication | None = None

    @property
    def title(self) -> str:
        """The application's name."""
        return self.settings.title

    @property
    def version(self) -> str:
        """The application's version."""
        return self.settings.version

    @property
    def debug(self) -> bool:
        """Whether 500 answers show the traceback."""
        return self.settings.debug

    # ---- the engine's figures: the same in each worker, zero or empty outside of serving ----

    @property
    def uptime(self) -> float:
        """For how many seconds the engine has been running; workers that were replaced meanwhile do not count."""
        return self.figures.seconds("uptime")

    @property
    def connection_count(self) -> int:
        """Connections that are open now."""
        return self.figures.count("connections")

    @property
    def request_count(self) -> int:
        """Requests that have come since the engine's start, those that it answers by itself included."""
        return self.figures.count("requests")

    @property
    def queue_depth(self) -> int:
        """Requests that no worker has begun."""
        return self.figures.count("queued")

    @property
    def worker_states(self) -> list[dict[str, Any]]:
        """The workers, by number.

        Each is a dict with worker (the number in the log), pid, state ("starting", "admitted" or "retired"), waiting
        (requests that it has not begun), begun, finished, in_flight, sleeping (it waits for something to do) and
        blocked (for how many seconds its event loop has been blocked; 0 if it is not).
        """
        return self.figures.workers()

    # ---- routes -------------------------------------------------------------

    def add_route(
        self,
        path: str,
        handler: Callable[..., Any],
        methods: Sequence[str] = ("GET",),
        *,
        status_code: int = 200,
        name: str | None = None,
        cancel_on_disconnect: bool = False,
        repeat: bool = True,
    ) -> Route:
        """Registers a handler; of two routes with the same method and shape the first one counts.

        Args:
            path: such as "/items/{item_id}", "{n:int}", "{x:float}", "{u:uuid}" or, at the end, "{rest:path}".
            handler: an `async def` function, or a `def` function, which runs in a thread.
            methods: the methods that it answers.
            status_code: the status of results that do not name one.
            name: what the route is called; the handler's name if it is None.
            cancel_on_disconnect: cancel the handler's task when its client goes away.
            repeat: whether a GET, HEAD or OPTIONS request is given to another worker, once, when its worker has
                died before anything of the answer was sent; else its client gets 502.

        Raises:
            TypeError: the handler has a parameter that cannot come from a request.
            ValueError: the path, the methods or the status cannot be used.
        """
        checked = checked_methods(methods, path)
        label = f"route {' '.join(checked)} {path}"
        if not is_status(status_code):
            raise ValueError(f"{label}: status_code must be from 200 to 599, not {status_code!r}")
        function = inspect.unwrap(getattr(handler, "func", handler))
        if not inspect.isroutine(function):
            function = getattr(function, "__call__", function)  # noqa: B004 - the method itself is wanted
        if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
            raise TypeError(f"{label}: a handler cannot yield; return a StreamingResponse")
        route = Route(
            path,
            checked,
            handler,
            status_code,
            name or str(getattr(function, "__name__", "")),
            cancel_on_disconnect,
            blocking=not inspect.iscoroutinefunction(function),
            parameters=parameters_of(handler, path_names(path), label),
            repeat=repeat,
        )
        self._register(route)
        return route

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
            path: as for `add_route`.
            constant: a Response, or anything else that a handler may return.
            methods: the methods that it answers.
            status_code: the status if `constant` names none.
            name: what the route is called.
        """
        response = to_response(constant, status_code)
        if isinstance(response, StreamingResponse):
            raise TypeError(f"route {path}: a StreamingResponse cannot be constant")
        route = Route(path, checked_methods(methods, path), status_code=status_code, name=name or "", constant=response)
        self._register(route)
        return route

    def _register(self, route: Route) -> None:
        self.routes.append(route)
        self._changed()

    def _changed(self) -> None:
        if self._asgi is not None:
            self._asgi.forget()

    @overload
    def route(self, path: str, methods: Sequence[str] = ..., *, constant: Response, **options: Any) -> Route: ...
    @overload
    def route(self, path: str, methods: Sequence[str] = ..., **options: Any) -> Decorator[Any]: ...
    def route(self, path: str, methods: Sequence[str] = ("GET",), **options: Any) -> Any:
        """Registers the decorated handler for several methods; see `add_route` for the options.

        With `constant=`, it registers that answer and there is nothing to decorate.
        """
        constant = options.pop("constant", None)
        if constant is not None:
            return self.add_constant(path, constant, methods, **options)

        def register(handler: Handler) -> Handler:
            self.add_route(path, handler, methods, **options)
            return handler

        return register

    @overload
    def get(self, path: str, *, constant: Response, **options: Any) -> Route: ...
    @overload
    def get(self, path: str, **options: Any) -> Decorator[Any]: ...
    def get(self, path: str, **options: Any) -> Any:
        """Registers the decorated handler for GET; see `route`."""
        return self.route(path, ("GET",), **options)

    @overload
    def post(self, path: str, *, constant: Response, **options: Any) -> Route: ...
    @overload
    def post(self, path: str, **options: Any) -> Decorator[Any]: ...
    def post(self, path: str, **options: Any) -> Any:
        """Registers the decorated handler for POST; see `route`."""
        return self.route(path, ("POST",), **options)

    @overload
    def put(self, path: str, *, constant: Response, **options: Any) -> Route: ...
    @overload
    def put(self, path: str, **options: Any) -> Decorator[Any]: ...
    def put(self, path: str, **options: Any) -> Any:
        """Registers the decorated handler for PUT; see `route`."""
        return self.route(path, ("PUT",), **options)

    @overload
    def patch(self, path: str, *, constant: Response, **options: Any) -> Route: ...
    @overload
    def patch(self, path: str, **options: Any) -> Decorator[Any]: ...
    def patch(self, path: str, **options: Any) -> Any:
        """Registers the decorated handler for PATCH; see `route`."""
        return self.route(path, ("PATCH",), **options)

    @overload
    def delete(self, path: str, *, constant: Response, **options: Any) -> Route: ...
    @overload
    def delete(self, path: str, **options: Any) -> Decorator[Any]: ...
    def delete(self, path: str, **options: Any) -> Any:
        """Registers the decorated handler for DELETE; see `route`."""
        return self.route(path, ("DELETE",), **options)

    @overload
    def head(self, path: str, *, constant: Response, **options: Any) -> Route: ...
    @overload
    def head(self, path: str, **options: Any) -> Decorator[Any]: ...
    def head(self, path: str, **options: Any) -> Any:
        """Registers the decorated handler for HEAD; see `route`."""
        return self.route(path, ("HEAD",), **options)

    @overload
    def options(self, path: str, *, constant: Response, **options: Any) -> Route: ...
    @overload
    def options(self, path: str, **options: Any) -> Decorator[Any]: ...
    def options(self, path: str, **options: Any) -> Any:
        """Registers the decorated handler for OPTIONS; see `route`."""
        return self.route(path, ("OPTIONS",), **options)

    # ---- exceptions -----------------------------------------------------------

    def add_exception_handler(self, key: int | type[Exception], handler: ExceptionHandler) -> None:
        """Registers what answers an exception class and those derived from it, or HTTPExceptions of a status."""
        if not (isinstance(key, type) and issubclass(key, Exception)) and not is_status(key):
            raise TypeError(f"exception_handler takes an exception class or a status from 200 to 599, not {key!r}")
        self.exception_handlers[key] = handler
        self._changed()

    def exception_handler(self, key: int | type[Exception]) -> Decorator[Any]:
        """Registers the decorated function, which is called with the request and the exception."""

        def register(handler: Handler) -> Handler:
            self.add_exception_handler(key, handler)
            return handler

        return register

    @property
    def answers_unmatched(self) -> bool:
        """Whether requests that match no route are answered by an exception handler instead of the engine."""
        return not self.exception_handlers.keys().isdisjoint((404, 405, HTTPException))

    # ---- start-up and shutdown --------------------------------------------------

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

    def on_event(self, event: str) -> Callable[[HookFunction], HookFunction]:
        """`on_startup` or `on_shutdown`, by the name "startup" or "shutdown"."""
        hooks = {"startup": self.startup_hooks, "shutdown": self.shutdown_hooks}.get(event)
        if hooks is None:
            raise ValueError(f'on_event takes "startup" or "shutdown", not {event!r}')
        decorator: Callable[[HookFunction], HookFunction] = self._hook(hooks, None)
        return decorator

    @staticmethod
    def _hook(hooks: list[Hook], hook: Any) -> Any:
        def register(function: Any) -> Any:
            hooks.append(function)
            return function

        return register if hook is None else register(hook)

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
            scope: of type http, lifespan or websocket; WebSockets are refused.
            receive: gives the next event.
            send: takes an event.

        Raises:
            ResponseAborted: a response ended before it was complete.
            ValueError: the scope has another type.
        """
        if self._asgi is None:
            from covet.asgi.app import AsgiApplication

            self._asgi = AsgiApplication(self)
        await self._asgi(scope, receive, send)

    def with_settings(self, changes: Mapping[str, Any]) -> Settings:
        """The application's settings with some of them replaced. Raises ConfigError."""
        from dataclasses import replace

        return replace(self.settings, **changes) if changes else self.settings
