"""Registers middleware, and decides where each one runs."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from covet.middleware import Middleware

if TYPE_CHECKING:
    from covet.routing import Route
    from covet.telemetry.config import TelemetrySettings

Function = TypeVar("Function", bound=Callable[..., Any])

AUTO_CONFIGURE = ("COVET_OTEL_AUTO_CONFIGURE", "FASTAPI_OTEL_AUTO_CONFIGURE")
"""Environment variables of which one that is "true" asks for telemetry's exporters."""


class Placement(NamedTuple):
    """Where an application's middleware runs; in each part the outermost comes first.

    Attributes:
        outer: those that need ASGI; they stand around the layers.
        layers: those that are called with the request and the rest of the chain, right around the routes.
        guards: what the engine is told of those that it runs by itself, outside of all others.
        telemetry: what stands around it all, if there is telemetry.
    """

    outer: Sequence[Middleware]
    layers: Sequence[Middleware]
    guards: Sequence[dict[str, Any]] = ()
    telemetry: "TelemetrySettings | None" = None

    @property
    def id_field(self) -> bytes | None:
        """The request field in which the engine tells a request's identifier, if it gives some."""
        fields = [guard["field"].encode("latin-1") for guard in self.guards if guard["kind"] == "request_id"]
        return fields[-1] if fields else None

    def __bool__(self) -> bool:
        return bool(self.outer or self.layers)


NO_MIDDLEWARE = Placement((), ())
PASSED = Placement((Middleware(None),), ())
"""All middleware is outside, and has been passed."""


class MiddlewareRegistry:
    """The middleware of an application."""

    if TYPE_CHECKING:

        @property
        def routes(self) -> "Sequence[Route]": ...
        def add_document(self) -> None: ...

    user_middleware: list[Middleware]
    """What was registered; the outermost comes first."""
    _middleware_in_use = False
    telemetry: Mapping[str, Any] | None = None
    """What the application says of its telemetry; see `covet.telemetry.TelemetryConfig`."""

    def set_middleware(self, middleware: Sequence[Middleware] | None) -> None:
        """Begins with what the constructor was given."""
        self.user_middleware = list(middleware or ())

    def add_middleware(self, middleware_class: Any, *args: Any, **kwargs: Any) -> None:
        """Puts a middleware around all that were added before.

        Args:
            middleware_class: an ASGI middleware, or a class derived from BaseHTTPMiddleware.
            args: its arguments after the application.
            kwargs: its options.

        Raises:
            RuntimeError: the application has started.
        """
        if self._middleware_in_use:
            raise RuntimeError("Cannot add middleware after an application has started")
        self.user_middleware.insert(0, Middleware(middleware_class, *args, **kwargs))

    def middleware(self, middleware_type: str) -> Callable[[Function], Function]:
        """Registers the decorated function, which is called with a request and with what answers it.

        Args:
            middleware_type: "http".
        """
        if middleware_type != "http":
            raise ValueError(f'middleware takes "http", not {middleware_type!r}')

        def register(function: Function) -> Function:
            from covet.middleware.base import BaseHTTPMiddleware

            self.add_middleware(BaseHTTPMiddleware, dispatch=function)
            return function

        return register

    def place_middleware(self, *, engine: bool = False) -> Placement:
        """Decides where each middleware runs; from now on none can be added.

        Args:
            engine: the application is served by the engine, which runs the outermost ones that need no Python.
        """
        self._middleware_in_use = True
        self.add_document()
        guards: Sequence[dict[str, Any]] = ()
        every = self.user_middleware
        telemetry = self.telemetry_in_use
        if telemetry is not None:
            from covet.telemetry.server import ExceptionObserver

            # It measures what the engine would answer as well, so the engine runs none of them.
            every, engine = [Middleware(ExceptionObserver), *every], False
        if every and engine:
            from covet.middleware.base import guards_of

            guards = guards_of(every)
            every = every[len(guards) :]
        hosts = [route for route in self.routes if not route.by_path]
        if hosts:
            from covet.hosting import HostMiddleware

            return Placement([*every, Middleware(HostMiddleware, hosts)], (), guards, telemetry)
        if not every:
            return Placement((), (), guards)
        from covet.middleware.base import is_layer

        websockets = any(route.may_be_websocket for route in self.routes)
        first = len(every)
        while first and is_layer(every[first - 1].cls, websockets=websockets):
            first -= 1
        return Placement(every[:first], every[first:], guards, telemetry)

    @cached_property
    def telemetry_in_use(self) -> "TelemetrySettings | None":
        """What the application is traced and measured with, decided when it is first served; None if it is not.

        It is not loaded for applications that say nothing of it while OpenTelemetry's SDK is not loaded either.
        """
        asked = any(name in os.environ for name in AUTO_CONFIGURE)
        if self.telemetry is None and not asked and "opentelemetry.sdk" not in sys.modules:
            return None
        from covet.telemetry.config import in_use

        return in_use(self.telemetry, self.user_middleware)
