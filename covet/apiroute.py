"""Routes with handlers: what their options say, and what their signatures want."""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Any, ClassVar, ForwardRef, TypedDict, get_args, get_origin

from covet.annotations import has_struct, is_kind, is_simple
from covet.defaults import Default, DefaultPlaceholder, chosen
from covet.dependant import Dependant, add_unnamed, get_dependant, kind_of, signature_of
from covet.dispatch import NO_BODY, is_status
from covet.exceptions import DeclarationError, FieldTypeError
from covet.modelfield import ModelField, is_odd
from covet.params import Depends
from covet.requests import Request
from covet.responses import JSONResponse, Response
from covet.routing import Route, checked_methods

if TYPE_CHECKING:
    from covet.endpoint import Endpoint
    from covet.interfaces import CallEntry
    from covet.requests import Context

IncEx = Any
UNCHECKED = (
    *(bytes, dict, list, Any, object),
    *(dict[str, Any], list[Any], list[dict[str, Any]], Mapping[str, Any]),
    *(dict[str, object], list[object], list[dict[str, object]], Mapping[str, object]),
)
"""Response models that say nothing about what is inside: results are encoded as they are."""


def checked_size(size: int | None) -> int | None:
    """A route's largest body. Raises ValueError if it is no number from 0 on."""
    if size is not None and (type(size) is not int or size < 0):
        raise ValueError(f"max_body_size of a route is a whole number of bytes, not {size!r}")
    return size


class RouteOptions(TypedDict, total=False):
    """What may be said of a route; the names and meanings are FastAPI's, the last three are CovetPy's.

    cancel_on_disconnect: cancel the handler's task when its client goes away.
    repeat: whether a GET, HEAD or OPTIONS request is given to another worker, once, when its worker has died before
        anything of the answer was sent; else its client gets 502.
    constant: a Response that the engine gives without Python.
    """

    response_model: Any
    status_code: int | None
    tags: "Sequence[str | Enum] | None"
    dependencies: Sequence[Any] | None
    summary: str | None
    description: str | None
    response_description: str
    responses: Mapping[int | str, Mapping[str, Any]] | None
    deprecated: bool | None
    name: str | None
    operation_id: str | None
    response_model_include: IncEx
    response_model_exclude: IncEx
    response_model_by_alias: bool
    response_model_exclude_unset: bool
    response_model_exclude_defaults: bool
    response_model_exclude_none: bool
    include_in_schema: bool
    response_class: type[Response]
    callbacks: Sequence[Route] | None
    openapi_extra: Mapping[str, Any] | None
    generate_unique_id_function: Callable[["APIRoute"], str]
    strict_content_type: bool
    max_body_size: int | None
    form_limits: Mapping[str, Any] | None
    cancel_on_disconnect: bool
    repeat: bool


def generate_unique_id(route: Any) -> str:
    """A route's operation id, such as read_item_items__item_id__get."""
    name = re.sub(r"\W", "_", f"{route.name}{route.path_format}")
    return f"{name}_{min(route.methods).lower()}"


class APIRoute(Route):
    """A handler with its path, its methods and its options.

    Args:
        path: such as "/items/{item_id}" or "/files/{rest:path}".
        endpoint: the handler: a coroutine function, a function, which runs in a thread, or a generator function,
            whose values are streamed.
        methods: the methods that it answers; GET if it is None.
        dependency_overrides_provider: whose `dependency_overrides` count.
        options: see RouteOptions.

    Raises:
        DeclarationError: a parameter cannot come from a request.
        FieldTypeError: pydantic cannot validate a parameter's or a result's type.
        TypeError: an option is unknown.
        ValueError: the path, the methods or the status cannot be used.
    """

    has_operations: ClassVar[bool] = True
    """Whether what its handler does is told to OpenTelemetry, where the application is traced."""

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        response_model: Any = Default(None),
        status_code: int | None = None,
        tags: "Sequence[str | Enum] | None" = None,
        dependencies: Sequence[Depends] | None = None,
        summary: str | None = None,
        description: str | None = None,
        response_description: str = "Successful Response",
        responses: Mapping[int | str, Mapping[str, Any]] | None = None,
        deprecated: bool | None = None,
        name: str | None = None,
        methods: Sequence[str] | set[str] | None = None,
        operation_id: str | None = None,
        response_model_include: IncEx = None,
        response_model_exclude: IncEx = None,
        response_model_by_alias: bool = True,
        response_model_exclude_unset: bool = False,
        response_model_exclude_defaults: bool = False,
        response_model_exclude_none: bool = False,
        include_in_schema: bool = True,
        response_class: type[Response] | DefaultPlaceholder = Default(JSONResponse),
        dependency_overrides_provider: Any = None,
        callbacks: Sequence[Route] | None = None,
        openapi_extra: Mapping[str, Any] | None = None,
        generate_unique_id_function: Callable[["APIRoute"], str] | DefaultPlaceholder = Default(generate_unique_id),
        strict_content_type: bool | DefaultPlaceholder = Default(True),
        max_body_size: int | None = None,
        form_limits: Mapping[str, Any] | None = None,
        cancel_on_disconnect: bool = False,
        repeat: bool = True,
        exception_handlers: Mapping[Any, Any] | None = None,
    ) -> None:
        if not callable(endpoint):
            raise DeclarationError(f"route {path}: An endpoint must be a callable, not {endpoint!r}")
        listed = ("GET",) if methods is None else methods
        checked = checked_methods(listed if isinstance(listed, str) else tuple(listed), path)
        if isinstance(status_code, IntEnum):
            status_code = int(status_code)
        if status_code is not None and not is_status(status_code):
            raise ValueError(
                f"route {' '.join(checked)} {path}: status_code must be from 200 to 599, not {status_code!r}"
            )
        super().__init__(
            path,
            checked,
            endpoint,
            200 if status_code is None else status_code,
            name or _name_of(endpoint),
            cancel_on_disconnect,
            repeat=repeat,
        )
        self.declared_status = status_code
        self.response_model = response_model
        self.tags = list(tags or ())
        self.dependencies = list(dependencies or ())
        self.summary = summary
        self.description = _description(description, endpoint)
        self.response_description = response_description
        self.responses = dict(responses or {})
        self.deprecated = deprecated
        self.operation_id = operation_id
        self.response_model_include = response_model_include
        self.response_model_exclude = response_model_exclude
        self.response_model_by_alias = response_model_by_alias
        self.response_model_exclude_unset = response_model_exclude_unset
        self.response_model_exclude_defaults = response_model_exclude_defaults
        self.response_model_exclude_none = response_model_exclude_none
        self.include_in_schema = include_in_schema
        self.declared_class = response_class
        self.dependency_overrides_provider = dependency_overrides_provider
        self.callbacks = callbacks
        self.openapi_extra = openapi_extra
        self.generate_unique_id_function = generate_unique_id_function
        self.declared_strictness = strict_content_type
        self.max_body_size = checked_size(max_body_size)
        self.form_limits = form_limits
        self.exception_handlers = dict(exception_handlers or {})
        self._dependant: Dependant | None = None
        self._fields: dict[Any, ModelField | None] = {}
        self._unique_id: str | None = operation_id
        self._endpoint: Endpoint | None = None
        self._find_response_model()
        self._check_models()
        self._find_parameters()

    # ---- how FastAPI calls things -------------------------------------------------

    @property
    def endpoint(self) -> Callable[..., Any]:
        """The handler."""
        assert self.handler is not None
        return self.handler

    @property
    def unique_id(self) -> str:
        """The operation id in the OpenAPI document."""
        if self._unique_id is None:
            self._unique_id = self.operation_id or chosen(self.generate_unique_id_function)(self)
        return self._unique_id

    @property
    def response_class(self) -> type[Response]:
        """The class of responses to results that are none."""
        found: type[Response] = chosen(self.declared_class)
        return found

    @property
    def default_class(self) -> bool:
        """Whether nobody has chosen a class for responses."""
        return isinstance(self.declared_class, DefaultPlaceholder) and self.declared_class.value is JSONResponse

    @property
    def strict_content_type(self) -> bool:
        """Whether a body is read as JSON only if its content type says so."""
        return bool(chosen(self.declared_strictness))

    @property
    def response_options(self) -> dict[str, Any]:
        """How validated results are serialized."""
        return {
            "include": self.response_model_include,
            "exclude": self.response_model_exclude,
            "by_alias": self.response_model_by_alias,
            "exclude_unset": self.response_model_exclude_unset,
            "exclude_defaults": self.response_model_exclude_defaults,
            "exclude_none": self.response_model_exclude_none,
        }

    # ---- the signature ----------------------------------------------------------------

    def _find_response_model(self) -> None:
        self.is_generator = kind_of(self.endpoint).endswith("generator")
        self.stream_item_type: Any = None
        if isinstance(self.response_model, DefaultPlaceholder):
            annotation = signature_of(self.endpoint).return_annotation
            self.response_model = None
            if annotation is inspect.Signature.empty or is_kind(annotation, Response) or _is_response(annotation):
                return
            if self.is_generator:
                self.stream_item_type = _item_type(annotation)
            else:
                no_body = annotation is type(None) or self.declared_status in NO_BODY
                self.response_model = None if no_body else annotation
        elif self.response_model is not None and self.declared_status in NO_BODY:
            raise DeclarationError(
                f"route {self.path}: Status code {self.declared_status} must not have a response body"
            )

    def _check_models(self) -> None:
        """Models of results that pydantic may not know are tried at once, the others when they are needed."""
        models = [self.response_model, self.stream_item_type]
        for status, response in self.responses.items():
            if not isinstance(response, Mapping):
                raise DeclarationError(f"route {self.path}: An additional response must be a dict, not {response!r}")
            if response.get("model") is None:
                continue
            if str(status).isdecimal() and (int(status) in NO_BODY or int(status) < 200):
                raise DeclarationError(f"route {self.path}: Status code {status} must not have a response body")
            models.append(response["model"])
        for model in models:
            if (is_odd(model) or has_struct(model)) and not isinstance(model, ForwardRef):
                try:
                    ModelField("response", model, mode="serialization").prepare()
                except FieldTypeError as error:
                    raise type(error)(f"route {' '.join(self.methods)} {self.path}: {error}") from None

    def _find_parameters(self) -> None:
        from covet.parameter import plain_parameters

        label = f"route {' '.join(self.methods)} {self.path}"
        self.blocking = kind_of(self.endpoint) == "sync"
        found = None if self._needs_endpoint() else plain_parameters(self.endpoint, self.param_names, label)
        self.parameters_plain = found is not None
        self.plain = found is not None and not self.checks_response and self.default_class
        self.parameters = found or ()
        if found is None:
            try:
                self.dependant  # noqa: B018 - what cannot be resolved is told at once
            except (DeclarationError, FieldTypeError) as error:
                raise type(error)(f"{label}: {error}") from None

    def _needs_endpoint(self) -> bool:
        return bool(
            self.dependencies
            or self.is_generator
            or self.exception_handlers
            or self.convertors
            or self.max_body_size is not None
            or type(self).get_route_handler is not APIRoute.get_route_handler
        )

    @property
    def dependant(self) -> Dependant:
        """What the handler and its dependencies want from a request."""
        if self._dependant is None:
            found = get_dependant(self.param_names, self.endpoint, scope="function")
            add_unnamed(found, self.dependencies, self.param_names)
            self._dependant = found
        return self._dependant

    def check_path(self) -> None:
        """Raises DeclarationError if a parameter is declared as a part of the path, which has no such parameter.

        A router's path may get it from the prefix under which the router is included.
        """
        if self.parameters_plain:
            return
        for found in self.dependant.flat():
            for field in found.path_params:
                if field.aliases[0] not in self.param_names:
                    raise DeclarationError(
                        f"route {' '.join(self.methods)} {self.path}: parameter {field.name!r}: "
                        "it is declared as a part of the path, which has no such parameter"
                    )

    # ---- responses ----------------------------------------------------------------------

    @property
    def checks_response(self) -> bool:
        """Whether results are validated and filtered."""
        filters = {**self.response_options, "by_alias": False}
        return self.response_model is not None and (
            any(filters.values())
            or not any(self.response_model is kind or self.response_model == kind for kind in UNCHECKED)
        )

    def _field(self, key: Any, prefix: str, model: Any) -> ModelField | None:
        if key not in self._fields:
            self._fields[key] = (
                None if model is None else ModelField(f"{prefix}_{self.unique_id}", model, mode="serialization")
            )
        return self._fields[key]

    @property
    def response_field(self) -> ModelField | None:
        """The response model, for the OpenAPI document."""
        return self._field("response", "Response", self.response_model)

    @property
    def checked_field(self) -> Any:
        """The response model, if results are validated."""
        if not self.checks_response:
            return None
        field = self.response_field
        assert field is not None
        if not self.simple_response:
            field.prepare()
        return field

    @property
    def simple_response(self) -> bool:
        """Whether the response model takes no pydantic as long as results fit it."""
        filters = {**self.response_options, "by_alias": False}
        return self.checks_response and not any(filters.values()) and is_simple(self.response_model)

    @property
    def stream_item_field(self) -> ModelField | None:
        """The type of what a handler yields."""
        return self._field("item", "StreamItem", self.stream_item_type)

    @property
    def response_fields(self) -> dict[int | str, ModelField]:
        """The models of `responses`, by status."""
        found = {}
        for status, response in self.responses.items():
            model = response.get("model")
            if model is not None:
                field = self._field(("also", status), f"Response_{status}", model)
                assert field is not None
                found[status] = field
        return found

    # ---- calls --------------------------------------------------------------------------------

    def overrides(self) -> Mapping[Any, Any]:
        """What stands for dependencies, in tests."""
        provider = self.dependency_overrides_provider
        return provider.dependency_overrides if provider is not None else {}

    def make_entry(self, context: "Context", *, generate: bool) -> "CallEntry":
        traced = context.traced and self.has_operations
        if self.plain and not traced:
            return None
        from covet.callgen import cancelled, make_call
        from covet.endpoint import Endpoint, guarded

        taken = None
        if self.parameters_plain and (self.blocking or not generate) and not traced:
            taken = make_call(
                self.endpoint, self.parameters, context.request_of, blocking=self.blocking, generate=generate
            )
        endpoint = self._endpoint = self._traced() if traced else Endpoint(self)
        call = endpoint.call(context.request_of, taken)
        if generate and not traced and type(self).get_route_handler is APIRoute.get_route_handler:
            from covet.fastpath import fast_call

            call = fast_call(endpoint, context, call) or call
        if self.exception_handlers:
            call = guarded(call, self.exception_handlers, context.request_of)
        return (cancelled(call) if self.cancel_on_disconnect else call, self.status_code, False)

    def _traced(self) -> "Endpoint":
        from covet.telemetry.endpoint import TracedEndpoint

        return TracedEndpoint(self)

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:
        """What answers a Request; classes of one's own may wrap it."""
        from covet.endpoint import Endpoint

        return (self._endpoint or Endpoint(self)).handler()

    def custom_handler(self, endpoint: "Endpoint") -> Callable[[Request], Awaitable[Response]] | None:
        """What a class of one's own makes of the handler; None for this class."""
        if type(self).get_route_handler is APIRoute.get_route_handler:
            return None
        return self.get_route_handler()


def _name_of(endpoint: Callable[..., Any]) -> str:
    function = inspect.unwrap(getattr(endpoint, "func", endpoint))
    return getattr(function, "__name__", None) or type(function).__name__


def _description(given: str | None, endpoint: Callable[..., Any]) -> str:
    text = given or inspect.cleandoc(getattr(endpoint, "__doc__", None) or "")
    return text.partition("\f")[0].strip()


def _is_response(annotation: Any) -> bool:
    """Whether an annotation is another framework's response."""
    return isinstance(annotation, type) and any(
        kind.__name__ == "Response" and kind.__module__.startswith("starlette.") for kind in annotation.__mro__
    )


STREAMS = frozenset({"AsyncIterable", "AsyncIterator", "AsyncGenerator", "Iterable", "Iterator", "Generator"})


def _item_type(annotation: Any) -> Any:
    """What a generator yields, as its annotation says."""
    origin = get_origin(annotation)
    arguments = get_args(annotation)
    if getattr(origin, "__name__", "") not in STREAMS or not arguments:
        return None
    item = arguments[0]
    return None if getattr(item, "__name__", "") == "ServerSentEvent" else item


__all__ = ["APIRoute", "RouteOptions", "generate_unique_id"]
