"""CovetPy applications, as the server sees them."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from covet.callgen import make_call
from covet.concurrency import set_threads
from covet.config import Settings
from covet.core import Exchange
from covet.dispatch import NO_BODY, Dispatcher
from covet.encoders import encode
from covet.exceptions import HTTPException
from covet.health import enter_stage
from covet.interfaces import CallEntry, Calls
from covet.interfaces import Lifespan as LifespanProtocol
from covet.lifespan import Lifespan
from covet.middleware.registry import NO_MIDDLEWARE, Placement
from covet.requests import Context, Converters
from covet.routing import WEBSOCKET, Route, allowed_methods, last_resorts

if TYPE_CHECKING:
    from covet.app import CovetPy
    from covet.asgi.app import AsgiApplication


class CovetApplication:
    """A CovetPy application: the engine matches its routes."""

    interface = "covet"

    def __init__(self, app: "CovetPy", root_path: str = "", threads: int | None = None) -> None:
        self.app = app
        self._front = root_path  # which the proxy has taken off
        self._root_path = root_path or app.root_path
        self._threads = threads
        self.figures = app.figures
        self.topics = app.topics
        self._asgi: AsgiApplication | None = None

    @property
    def settings(self) -> Settings:
        return self.app.settings

    def engine(self) -> dict[str, Any]:
        placement = self._placement
        if placement.outer:
            sockets = any(WEBSOCKET in route.methods for route in self.app.routes)
            return {
                "forward_unmatched": True,
                "forward_sockets": sockets,
                "routes": [],
                "guards": placement.guards,
            }
        return {
            "guards": placement.guards,
            "forward_unmatched": (
                self.app.answers_unmatched or bool(placement) or any(route.last_resort for route in self.app.routes)
            ),
            "forward_redirects": bool(placement),
            "own_root_path": "" if self._front else self.app.root_path.rstrip("/"),
            "routes": [
                route.engine(number, forward=bool(placement or route.middleware))
                for number, route in enumerate(self.app.routes, 1)
                if route.by_path and not route.last_resort
            ],
        }

    def lifespan(self) -> LifespanProtocol:
        asgi = self._behind_middleware(self.app.settings)
        if asgi is not None:
            from covet.interfaces.asgi_lifespan import AsgiLifespan

            return AsgiLifespan(asgi, "on")
        return Lifespan(self.app, self.app.router.lifespan_context)

    def drain(self) -> None:
        enter_stage(self.app, "stopping")

    def calls(self, settings: Settings, state: Mapping[str, Any]) -> Calls:
        set_threads(self._threads or settings.threads)
        asgi = self._behind_middleware(settings)
        if asgi is not None:
            from covet.interfaces.asgi import asgi_calls

            return self._identified(asgi_calls(asgi, self._root_path, state, self._front))
        routes = tuple(self.app.routes)
        context = Context(self.app, param_names(routes), state, self._root_path)
        context.front = self._front
        context.id_field = self._placement.id_field
        return self._identified(calls_of(routes, context, settings, self._placement))

    def _identified(self, calls: Calls) -> Calls:
        """The calls, before each of which a request's identifier is noted, if the engine gives some."""
        field = self._placement.id_field
        if field is None:
            return calls
        from covet.middleware.requestid import identified

        return calls._replace(entries=identified(calls.entries, field))

    @property
    def _placement(self) -> Placement:
        return self.app.place_middleware(engine=True)

    def _behind_middleware(self, settings: Settings) -> "AsgiApplication | None":
        """The application with its middleware, if one of them needs ASGI; always the same one."""
        placement = self._placement
        if not placement.outer:
            return None
        if self._asgi is None:
            from covet.asgi.app import AsgiApplication

            self._asgi = AsgiApplication(self.app, placement=placement, behind_engine=True)
        self._asgi.use(settings)
        return self._asgi


def param_names(routes: Sequence[Route]) -> dict[int, tuple[str, ...]]:
    """The names in the routes' paths, by route number."""
    return {number: route.own_param_names for number, route in enumerate(routes, 1)}


def converters(routes: Sequence[Route]) -> dict[int, Converters]:
    """What makes values of the paths' parameters that are not text, by route number."""
    return {number: found for number, route in enumerate(routes, 1) if (found := _own_converters(route))}


def _own_converters(route: Route) -> Converters:
    names = route.own_param_names
    return {name: convert for name, convert in route.converters().items() if name in names}


def calls_of(
    routes: Sequence[Route], context: Context, settings: Settings, placement: Placement = NO_MIDDLEWARE
) -> Calls:
    """What answers the requests of an application.

    Args:
        routes: the application's routes, which are numbered from 1.
        context: what the requests have in common.
        settings: what the application is served with.
        placement: where its middleware runs; the layers are called with what the routes are called with.
    """
    statuses = {number: route.status_code for number, route in enumerate(routes, 1)}
    dispatcher = Dispatcher(context, dict(context.app.exception_handlers), statuses, debug=settings.debug)
    context.traced = context.app.telemetry_in_use is not None
    context.behind_layers = bool(placement) or any(route.middleware for route in routes)
    context.converters = converters(routes)
    calls = entries(routes, context, generate=settings.enable_jit)
    if not context.behind_layers:
        return Calls(calls, encode, dispatcher.render, dispatcher.fail)
    from covet.middleware.chain import chained

    calls = chained(placement.layers, routes, calls, context, dispatcher, settings)
    return Calls(calls, encode, dispatcher.render, dispatcher.fail_outermost)


def entries(routes: Sequence[Route], context: Context, *, generate: bool) -> list[CallEntry]:
    """What the native runner calls, by route number; number 0 is what no route matched."""
    calls: list[CallEntry] = []
    calls.append((_unmatched(routes, calls), 404, False))
    for route in routes:
        if route.constant is not None or not route.by_path:
            calls.append(None)
            continue
        made = route.make_entry(context, generate=generate)
        if made is not None:
            calls.append(_fitting(route, made, context) if route.convertors else made)
            continue
        assert route.handler is not None
        call = make_call(
            route.handler,
            route.parameters,
            context.request_of,
            blocking=route.blocking,
            cancel=route.cancel_on_disconnect,
            generate=generate,
        )
        calls.append((call, route.status_code, route.status_code not in NO_BODY))
    return calls


def _fitting(route: Route, entry: CallEntry, context: Context) -> CallEntry:
    """The entry, where a path that does not fit the route's own converters is not found."""
    assert entry is not None  # only constants have none
    call, status, plain = entry
    checks = [(route.param_names.index(name), convertor.fits) for name, convertor in route.convertors.items()]

    def checked(x: Exchange) -> Any:
        if all(fits(x.path_str(i)) for i, fits in checks):
            return call(x)
        if x.websocket:
            from covet.wsdispatch import not_found

            return not_found(x, context)
        raise HTTPException(404)

    return checked, status, plain


def _unmatched(routes: Sequence[Route], calls: Sequence[CallEntry]) -> Callable[[Exchange], Any]:
    last_resort = last_resorts(routes)

    def call(x: Exchange) -> Any:
        status = x.verdict or 404
        number = last_resort(x.path) if status == 404 else 0
        if number:
            entry = calls[number]
            assert entry is not None  # only constants have none
            return entry[0](x)
        headers = {"allow": ", ".join(allowed_methods(routes, x.path))} if status == 405 else None
        raise HTTPException(status, headers=headers)

    return call
