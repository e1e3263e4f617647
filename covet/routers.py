"""Routers: routes that belong together, and that an application or another router includes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Unpack

from covet.apiroute import APIRoute, RouteOptions, generate_unique_id
from covet.defaults import Default, DefaultPlaceholder, chosen
from covet.deprecations import deprecated
from covet.exceptions import DeclarationError, EmptyPathError
from covet.lifespan import Hook, LifespanOf, managed, merged, with_hooks
from covet.middleware import Middleware
from covet.middleware.registry import MiddlewareRegistry
from covet.mounts import Host, Mount, WebSocketRoute
from covet.responses import JSONResponse
from covet.routemethods import Handler, RouteMethods
from covet.routing import NoMatchFound, Route, path_for
from covet.urls import URLPath

if TYPE_CHECKING:
    from covet.controllers import Controller


@dataclass(frozen=True)
class Inclusion:
    """What whoever includes a router adds to its routes; see `APIRouter.include_router`."""

    parent: "APIRouter"
    prefix: str
    options: Mapping[str, Any]


class APIRouter(MiddlewareRegistry, RouteMethods):
    """Routes that belong together.

    Args:
        prefix: what their paths begin with, such as "/users".
        tags: tags of all of them, in the OpenAPI document.
        dependencies: dependencies of all of them, whose results nobody wants.
        default_response_class: the class of responses to results that are none.
        responses: further responses, in the OpenAPI document.
        callbacks: callbacks, in the OpenAPI document.
        routes: routes that exist already.
        redirect_slashes: whether a path with one slash too many or too few is redirected. It counts for an
            application's own router, `app.router.redirect_slashes`, and for a router that is mounted.
        default: the ASGI application that answers what no route has, where the router is mounted or given a host; where
            it is included, the application answers that.
        route_class: the class of routes.
        lifespan: a function of the application that gives an asynchronous context manager.
        on_startup: functions to call before the server listens.
        on_shutdown: functions to call after the last request.
        deprecated: mark all of them in the OpenAPI document.
        include_in_schema: show them in the OpenAPI document.
        generate_unique_id_function: makes operation ids.
        strict_content_type: read bodies as JSON only if their content type says so.
        max_body_size: the largest request body of a route that does not name its own, in bytes.
        form_limits: limits of forms that handlers take as parameters; see `Request.form`.
        exception_handlers: answers to exceptions of these routes, before those of whoever includes the router.
        middleware: what stands around each of these routes; the outermost comes first.
        dependency_overrides_provider: whose `dependency_overrides` count.
    """

    def __init__(
        self,
        *,
        prefix: str = "",
        tags: "Sequence[str | Enum] | None" = None,
        dependencies: Sequence[Any] | None = None,
        default_response_class: Any = Default(JSONResponse),
        responses: Mapping[int | str, Mapping[str, Any]] | None = None,
        callbacks: Sequence[Route] | None = None,
        routes: Sequence[Route] | None = None,
        redirect_slashes: bool = True,
        default: Any = None,
        dependency_overrides_provider: Any = None,
        route_class: type[APIRoute] = APIRoute,
        on_startup: Sequence[Hook] | None = None,
        on_shutdown: Sequence[Hook] | None = None,
        lifespan: Any = None,
        deprecated: bool | None = None,
        include_in_schema: bool = True,
        generate_unique_id_function: Any = Default(generate_unique_id),
        strict_content_type: Any = Default(True),
        max_body_size: int | None = None,
        form_limits: Mapping[str, Any] | None = None,
        exception_handlers: Mapping[Any, Any] | None = None,
        middleware: Sequence[Middleware] | None = None,
    ) -> None:
        _check_prefix(prefix)
        self.set_middleware(middleware)
        self.prefix = prefix
        self.tags = list(tags or ())
        self.dependencies = list(dependencies or ())
        self.default_response_class = default_response_class
        self.responses = dict(responses or {})
        self.callbacks = list(callbacks or ())
        self.redirect_slashes = redirect_slashes
        self.default = default
        self.dependency_overrides_provider = dependency_overrides_provider
        self.route_class = route_class
        self.on_startup: list[Hook] = list(on_startup or ())
        self.on_shutdown: list[Hook] = list(on_shutdown or ())
        self.lifespan = lifespan
        self._calls_hooks = True
        self.deprecated = deprecated
        self.include_in_schema = include_in_schema
        self.generate_unique_id_function = generate_unique_id_function
        self.strict_content_type = strict_content_type
        self.max_body_size = max_body_size
        self.form_limits = checked_limits(form_limits)
        self.exception_handlers: dict[Any, Any] = dict(exception_handlers or {})
        self.serves = False  # an application's own router; others may describe callbacks and webhooks
        self.routes: list[Route] = list(routes or ())
        self._inclusions: list[Inclusion] = []

    # ---- registering ------------------------------------------------------------

    def _full_path(self, path: str) -> str:
        return self.prefix + path

    def _register(self, route: Route) -> None:
        if self.serves and not route.pattern.startswith("/"):
            raise DeclarationError(f"the path {route.path!r} must start with '/'")
        if self.serves and isinstance(route, APIRoute):
            route.check_path()
        if route.by_path:
            route.layers = (self.user_middleware, *route.layers)
        self.routes.append(route)
        for inclusion in self._inclusions:
            inclusion.parent._include(route, inclusion)

    def add_api_route(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        methods: Sequence[str] | set[str] | None = None,
        route_class_override: type[APIRoute] | None = None,
        **options: Unpack[RouteOptions],
    ) -> Route:
        given: dict[str, Any] = dict(options)
        given["tags"] = [*self.tags, *(given.get("tags") or ())]
        given["dependencies"] = [*self.dependencies, *(given.get("dependencies") or ())]
        given["callbacks"] = [*self.callbacks, *(given.get("callbacks") or ())]
        given["responses"] = {**self.responses, **(given.get("responses") or {})}
        given["deprecated"] = given.get("deprecated") or self.deprecated
        given["include_in_schema"] = given.get("include_in_schema", True) and self.include_in_schema
        given["response_class"] = _choice(given.get("response_class"), self.default_response_class)
        given["generate_unique_id_function"] = _choice(
            given.get("generate_unique_id_function"), self.generate_unique_id_function
        )
        given["max_body_size"] = _first(given.get("max_body_size"), self.max_body_size)
        given["form_limits"] = {**self.form_limits, **checked_limits(given.get("form_limits"))}
        given["strict_content_type"] = _choice(given.get("strict_content_type"), self.strict_content_type)
        route = (route_class_override or self.route_class)(
            self.prefix + path,
            endpoint,
            methods=methods,
            dependency_overrides_provider=self.dependency_overrides_provider,
            exception_handlers=self.exception_handlers,
            **given,
        )
        self._register(route)
        return route

    def add_api_websocket_route(
        self, path: str, endpoint: Callable[..., Any], name: str | None = None, *, dependencies: Any = None
    ) -> Route:
        route = WebSocketRoute(
            self.prefix + path,
            endpoint,
            name=name,
            dependencies=[*self.dependencies, *(dependencies or ())],
            dependency_overrides_provider=self.dependency_overrides_provider,
            exception_handlers=self.exception_handlers,
        )
        self._register(route)
        return route

    def mount(self, path: str, app: Any, name: str | None = None) -> None:
        """Gives every request below a path to another application.

        Args:
            path: such as "/static".
            app: a CovetPy, ASGI or WSGI application.
            name: for `url_path_for`.
        """
        self._register(Mount(self.prefix + path, app, name=name))

    def host(self, host: str, app: Any, name: str | None = None) -> None:
        """Gives every request for a host to another application.

        Args:
            host: such as "api.example.com" or "{tenant}.example.com".
            app: a CovetPy or ASGI application, or a router.
            name: for `url_path_for`.
        """
        self._register(Host(host, app, name))

    # ---- including --------------------------------------------------------------------

    def include_router(
        self,
        router: "APIRouter | type[Controller]",
        *,
        prefix: str = "",
        tags: "Sequence[str | Enum] | None" = None,
        dependencies: Sequence[Any] | None = None,
        default_response_class: Any = Default(JSONResponse),
        responses: Mapping[int | str, Mapping[str, Any]] | None = None,
        callbacks: Sequence[Route] | None = None,
        deprecated: bool | None = None,
        include_in_schema: bool = True,
        generate_unique_id_function: Any = Default(generate_unique_id),
        max_body_size: int | None = None,
        form_limits: Mapping[str, Any] | None = None,
    ) -> None:
        """Includes the routes of a router, those too that it gets later.

        Args:
            router: the router, or a Controller.
            prefix: what their paths begin with, before the router's own prefix.
            tags: further tags.
            dependencies: further dependencies, which come first.
            default_response_class: the class of responses, where neither route nor router has chosen one.
            responses: further responses, in the OpenAPI document.
            callbacks: further callbacks, in the OpenAPI document.
            deprecated: mark all of them in the OpenAPI document.
            include_in_schema: show them in the OpenAPI document.
            generate_unique_id_function: makes operation ids, where neither route nor router has chosen one.
            max_body_size: the largest request body, where neither route nor router has chosen one.
            form_limits: limits of forms, where neither route nor router has chosen one.

        Raises:
            DeclarationError: the prefix cannot be used, or the router would include itself.
            EmptyPathError: a path would be empty.
        """
        _check_prefix(prefix)
        if not isinstance(router, APIRouter):
            router = _router_of(router)
        if router is self:
            raise DeclarationError(
                "Cannot include the same APIRouter instance into itself. Did you mean to include a different router?"
            )
        if any(inclusion.parent is router for inclusion in self._above()):
            raise DeclarationError(
                "Cannot include an APIRouter instance that already includes this router. "
                "Did you mean to include a different router?"
            )
        inclusion = Inclusion(
            self,
            prefix,
            {
                "tags": list(tags or ()),
                "dependencies": list(dependencies or ()),
                "default_response_class": default_response_class,
                "responses": dict(responses or {}),
                "callbacks": list(callbacks or ()),
                "deprecated": deprecated,
                "include_in_schema": include_in_schema,
                "generate_unique_id_function": generate_unique_id_function,
                "max_body_size": max_body_size,
                "form_limits": checked_limits(form_limits),
            },
        )
        router._inclusions.append(inclusion)
        for route in list(router.routes):
            self._include(route, inclusion, router)
        self.on_startup += router.on_startup
        self.on_shutdown += router.on_shutdown
        if router.lifespan is not None:
            self.lifespan = router.lifespan if self.lifespan is None else merged(self.lifespan, router.lifespan)

    def _above(self) -> list[Inclusion]:
        found = list(self._inclusions)
        for inclusion in self._inclusions:
            found += inclusion.parent._above()
        return found

    def _include(self, route: Route, inclusion: Inclusion, router: "APIRouter | None" = None) -> None:
        prefix, options = inclusion.prefix, inclusion.options
        if not isinstance(route, Host) and not prefix and not route.pattern:
            raise EmptyPathError(f"Prefix and path cannot be both empty (path operation: {route.name})")
        if isinstance(route, APIRoute):
            self._include_api_route(route, prefix, options)
        elif isinstance(route, WebSocketRoute):
            found = WebSocketRoute(
                self.prefix + prefix + route.path,
                route.endpoint,
                name=route.name,
                dependencies=[*self.dependencies, *options["dependencies"], *route.dependencies],
                dependency_overrides_provider=self.dependency_overrides_provider,
                exception_handlers={**self.exception_handlers, **route.exception_handlers},
            )
            found.layers = route.layers
            self._register(found)
        else:
            below = route.under(self.prefix + prefix)
            below.layers = route.layers
            self._register(below)

    def _include_api_route(self, route: APIRoute, prefix: str, options: Mapping[str, Any]) -> None:
        found = type(route)(
            self.prefix + prefix + route.path,
            route.endpoint,
            response_model=_declared_model(route),
            status_code=route.declared_status,
            tags=[*self.tags, *options["tags"], *route.tags],
            dependencies=[*self.dependencies, *options["dependencies"], *route.dependencies],
            summary=route.summary,
            description=route.description,
            response_description=route.response_description,
            responses={**self.responses, **options["responses"], **route.responses},
            deprecated=route.deprecated or options["deprecated"] or self.deprecated,
            name=route.name,
            methods=list(route.methods),
            operation_id=route.operation_id,
            response_model_include=route.response_model_include,
            response_model_exclude=route.response_model_exclude,
            response_model_by_alias=route.response_model_by_alias,
            response_model_exclude_unset=route.response_model_exclude_unset,
            response_model_exclude_defaults=route.response_model_exclude_defaults,
            response_model_exclude_none=route.response_model_exclude_none,
            include_in_schema=route.include_in_schema and self.include_in_schema and options["include_in_schema"],
            response_class=_choice(
                route.declared_class, options["default_response_class"], self.default_response_class
            ),
            dependency_overrides_provider=self.dependency_overrides_provider,
            callbacks=[*self.callbacks, *options["callbacks"], *(route.callbacks or ())],
            openapi_extra=route.openapi_extra,
            generate_unique_id_function=_choice(
                route.generate_unique_id_function,
                options["generate_unique_id_function"],
                self.generate_unique_id_function,
            ),
            strict_content_type=_choice(route.declared_strictness, self.strict_content_type),
            max_body_size=_first(route.max_body_size, options["max_body_size"], self.max_body_size),
            form_limits={**self.form_limits, **options["form_limits"], **(route.form_limits or {})},
            cancel_on_disconnect=route.cancel_on_disconnect,
            repeat=route.repeat,
            exception_handlers={**self.exception_handlers, **route.exception_handlers},
        )
        found.layers = route.layers
        self._register(found)

    # ---- start-up and shutdown --------------------------------------------------------

    @property
    def lifespan_context(self) -> LifespanOf:
        """The context manager of everything that runs before the first request and after the last.

        Such as `async with app.router.lifespan_context(app): ...`. What is assigned takes the place of the functions
        in `on_startup` and `on_shutdown` too.
        """
        if self.lifespan is not None and not self._calls_hooks:
            return managed(self.lifespan)
        return with_hooks(self.lifespan, self.on_startup, self.on_shutdown)

    @lifespan_context.setter
    def lifespan_context(self, context: LifespanOf) -> None:
        self.lifespan = context
        self._calls_hooks = False

    # ---- the rest --------------------------------------------------------------------------

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """The path of the route with a name. Raises NoMatchFound."""
        return path_for(self.routes, name, path_params)

    def add_event_handler(self, event_type: str, func: Hook) -> None:
        """Registers a function to be called at "startup" or "shutdown"."""
        self._hooks(event_type).append(func)

    def _hooks(self, event_type: str) -> list[Hook]:
        hooks = {"startup": self.on_startup, "shutdown": self.on_shutdown}.get(event_type)
        if hooks is None:
            raise DeclarationError(f'on_event takes "startup" or "shutdown", not {event_type!r}')
        return hooks

    def on_event(self, event_type: str) -> Callable[[Handler], Handler]:
        """Registers the decorated function; see `add_event_handler`. Deprecated in favour of `lifespan`."""
        deprecated("on_event is deprecated, use lifespan event handlers instead.", DeprecationWarning)
        hooks = self._hooks(event_type)

        def register(function: Handler) -> Handler:
            hooks.append(function)
            return function

        return register

    def exception_handler(self, key: Any) -> Callable[[Handler], Handler]:
        """Registers the decorated function for exceptions of this router's routes; before they are registered."""

        def register(function: Handler) -> Handler:
            self.exception_handlers[key] = function
            return function

        return register


LIMITS = ("max_fields", "max_files", "max_part_size")


def checked_limits(limits: Mapping[str, Any] | None) -> dict[str, int]:
    """Limits of forms. Raises ValueError if one is unknown or no number from 0 on."""
    for name, value in (limits or {}).items():
        if name not in LIMITS or type(value) is not int or value < 0:
            raise ValueError(f"form_limits takes {', '.join(LIMITS)}, which are whole numbers: not {name}={value!r}")
    return dict(limits or {})


def _router_of(controller: Any) -> APIRouter:
    if not callable(getattr(controller, "router", None)):
        raise TypeError(
            f"{controller!r} is no APIRouter of CovetPy; routes of FastAPI stay in an application of FastAPI, which "
            "app.mount(path, application) gives the requests below a path"
        )
    found: APIRouter = controller.router()
    return found


def _check_prefix(prefix: str) -> None:
    if prefix and not prefix.startswith("/"):
        raise DeclarationError("A path prefix must start with '/'")
    if prefix.endswith("/"):
        raise DeclarationError("A path prefix must not end with '/', as the routes will start with '/'")


def _choice(*values: Any) -> Any:
    """The first value that somebody has chosen, else the last placeholder."""
    given = [value for value in values if value is not None]
    return next((value for value in given if not isinstance(value, DefaultPlaceholder)), given[-1])


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


def _declared_model(route: APIRoute) -> Any:
    """What was said of the response model, so that a copy finds the same one."""
    return route.response_model if route.stream_item_type is None else Default(None)


__all__ = ["APIRouter", "NoMatchFound", "RouteMethods", "chosen"]
