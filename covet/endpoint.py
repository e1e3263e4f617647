"""From a request to a route's response: its plan, its handler, and what becomes of the result."""

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any

import msgspec

from covet.annotations import may_be_tuple
from covet.bodies import BodyPlan
from covet.concurrency import run_in_threadpool
from covet.core import Exchange
from covet.dispatch import NO_BODY, asked, is_status, known, to_response
from covet.encoders import encode, spaced_json
from covet.exceptions import CovetError, RequestValidationError, ResponseValidationError
from covet.handlers import ExceptionHandlers, HandlerTable
from covet.params import UNSET
from covet.requests import EngineRequest, Request
from covet.responses import Response
from covet.solve import Plan, Solved, Stacks, overridden

if TYPE_CHECKING:
    from covet.apiroute import APIRoute

RouteHandler = Callable[[Request], Awaitable[Response]]
STACKS = "covet.stacks"
"""The key in a request's scope for where dependencies that yield are left."""


class Endpoint:
    """Answers a route's requests when it takes more than calling a function with plain parameters.

    Args:
        route: the route.
    """

    def __init__(self, route: "APIRoute") -> None:
        self.route = route
        self.plan = self._plan_of(route.dependant)
        self._overridden: tuple[Any, Plan] | None = None
        self.field = route.checked_field
        self.options = route.response_options
        self._gives_tuples = self.field is not None and may_be_tuple(route.response_model)
        self.nothing = Solved({})
        self._simple = route.response_model if route.simple_response else None
        self.is_coroutine = route.dependant.kind == "async"
        self.streams = route.is_generator

    def _plan_of(self, dependant: Any) -> Plan:
        return Plan(dependant, strict_content_type=self.route.strict_content_type, form_limits=self.route.form_limits)

    def current(self) -> Plan:
        """The plan, with what `dependency_overrides` says now."""
        overrides = self.route.overrides()
        if not overrides:
            return self.plan
        key = tuple(overrides.items())
        if self._overridden is None or self._overridden[0] != key:
            dependant = overridden(self.route.dependant, dict(overrides), self.route.param_names)
            self._overridden = (key, self._plan_of(dependant))
        return self._overridden[1]

    async def respond(self, request: Request, stacks: Stacks) -> Response:
        """The response to a request.

        Raises:
            RequestValidationError: the request does not fit the parameters.
            ResponseValidationError: the result does not fit the response model.
            Exception: what dependencies and the handler raise.
        """
        plan = self.current()
        body = UNSET if plan.body is None else await self.read(plan.body, request, stacks)
        solved, errors = await plan.solve(request, stacks, body)
        if errors:
            raise RequestValidationError(errors, body=None if body is UNSET else body)
        if self.streams:
            return self._streamed(plan.dependant.call(**solved.values), solved, request)
        if self.is_coroutine:
            result = await plan.dependant.call(**solved.values)
        else:
            result = await run_in_threadpool(plan.dependant.call, **solved.values)
            if inspect.isawaitable(result):
                result = await result
        return self.response(result, solved)

    @staticmethod
    async def read(plan: BodyPlan, request: Request, stacks: Stacks) -> Any:
        """The request's body, as the plan wants it. Raises RequestValidationError."""
        body = await plan.read(request)
        if plan.is_form:
            stacks.request.push_async_callback(request.close)
        return body

    # ---- results --------------------------------------------------------------------

    def response(self, result: Any, solved: Solved) -> Response:
        """The response for what the handler returned."""
        result = known(result)
        if isinstance(result, Response):
            if result.background is None:
                result.background = solved.background
            return result
        response = self._rendered(result, solved)
        if response.background is None:  # that of a response in a tuple stays
            response.background = solved.background
        if solved.response is not None:
            response.raw_headers.extend(solved.response.raw_headers)
        return response

    def _rendered(self, result: Any, solved: Solved) -> Response:
        declared = self.route.declared_status
        own = None if solved.response is None else solved.response.status_code
        status, headers = own or declared, None
        if type(result) is tuple and not self._gives_tuples and len(result) in (2, 3) and is_status(result[1]):
            result, status, *rest = result
            result, headers = known(result), dict(rest[0]) if rest and rest[0] else None
            if isinstance(result, Response):
                return to_response((result, status, headers), status)
        if self.field is None and self.route.default_class:
            return to_response(result if headers is None else (result, status, headers), status or 200)
        named: dict[str, Any] = {"headers": headers}
        if status is not None:
            named["status_code"] = status
        if self.route.default_class:
            body = self.encoded(result)
            response = Response(body, media_type="application/json", **named)
        else:
            response = self.route.response_class(self._content(result), **named)
        if response.status_code in NO_BODY:
            response.body = b""
        return response

    def _content(self, result: Any) -> Any:
        if self.field is not None:
            return self._checked(result, self.field.serialize)
        from covet.encoders import jsonable_encoder

        return jsonable_encoder(result)

    def encoded(self, result: Any) -> bytes:
        """A result as JSON, by the response model. Raises ResponseValidationError."""
        if self._simple is not None:
            with suppress(msgspec.ValidationError, TypeError):  # pydantic accepts more, and says what is wrong
                return encode(msgspec.convert(result, self._simple))
        body: bytes = self._checked(result, self.field.serialize_json)
        return body

    def _checked(self, result: Any, serialize: Callable[..., Any]) -> Any:
        errors: list[dict[str, Any]] = []
        value = self.field.validate(result, ("response",), errors)
        if errors:
            raise ResponseValidationError(errors, body=result)
        return serialize(value, **self.options)

    # ---- handlers that yield -----------------------------------------------------------

    def _streamed(self, generator: Any, solved: Solved, request: Request) -> Response:
        from covet.streaming import stream_of

        def encode_item(item: Any) -> bytes:
            return self._stream_item(item, request)

        response_class = None if self.route.default_class else self.route.response_class
        response: Response = stream_of(generator, response_class, encode_item)
        own = None if solved.response is None else solved.response.status_code
        response.status_code = own or self.route.declared_status or response.status_code
        response.background = solved.background
        if solved.response is not None:
            response.raw_headers.extend(solved.response.raw_headers)
        return response

    def _stream_item(self, item: Any, request: Request) -> bytes:
        """One item of a stream in JSON."""
        field = self.route.stream_item_field
        if field is None:
            return spaced_json(item)  # byte for byte as FastAPI
        errors: list[dict[str, Any]] = []
        value = field.validate(item, ("response",), errors)
        if errors:
            place = self.route.place(request.method, request.scope.get("root_path", "").rstrip("/"))
            raise ResponseValidationError(errors, body=item, endpoint_ctx=place)
        return field.serialize_json(value, **self.options)

    # ---- calls ------------------------------------------------------------------------------

    def handler(self) -> RouteHandler:
        """What answers a Request, for routes of classes of their own: their stacks are in its scope."""

        async def handle(request: Request) -> Response:
            return await self.respond(request, request.scope[STACKS])

        return handle

    def call(
        self, request_of: Callable[[Exchange], EngineRequest], taken: Callable[[Exchange], Any] | None = None
    ) -> Callable[[Exchange], Coroutine[Any, Any, Any]]:
        """What the runner calls with an exchange.

        Args:
            request_of: gives the Request of an exchange.
            taken: calls the handler, if all its parameters are plain.
        """
        route = self.route
        custom = route.custom_handler(self)
        limit = route.max_body_size

        def limited(x: Exchange) -> EngineRequest:
            request = request_of(x)
            if limit is not None:
                request.limit_body(limit)
            return request

        async def whole(x: Exchange) -> Any:
            request = limited(x)
            sent = False
            async with AsyncExitStack() as request_stack:
                async with AsyncExitStack() as function_stack:
                    stacks = Stacks(request_stack, function_stack)
                    if custom is None:
                        response = await self.respond(request, stacks)
                    else:
                        request.scope[STACKS] = stacks
                        response = await custom(request)
                if request.behind_layers:
                    request.exit_after(request_stack.pop_all())
                else:
                    answer = response.answer(x)
                    if answer is not None:
                        await answer
                sent = True
            if request.behind_layers and sent:
                return response
            if not sent:
                raise CovetError(
                    "there is no response: the application is raising an exception and a dependency with yield has "
                    "swallowed it; it must raise it again, or another one"
                )

        async def checked(x: Exchange) -> Any:
            # Plain parameters, but a result that is to be checked.
            result = taken(x)  # type: ignore[misc]
            if inspect.isawaitable(result):
                result = await result
            return self.response(result, self.nothing)

        async def light(x: Exchange) -> Any:
            # Nothing is left open, so the response may be sent by whoever called.
            return await self.respond(limited(x), NO_STACKS)

        plain = custom is None and not self.plan.yields and (self.plan.body is None or not self.plan.body.is_form)

        if taken is not None:
            return checked

        def call(x: Exchange) -> Coroutine[Any, Any, Any]:
            return light(x) if plain and not route.overrides() else whole(x)

        return call


def guarded(
    call: Callable[[Exchange], Any], handlers: ExceptionHandlers, request_of: Callable[[Exchange], Request]
) -> Callable[[Exchange], Coroutine[Any, Any, Any]]:
    """Has a router's own exception handlers answer what `call` raises."""
    table = HandlerTable(handlers)

    async def guard(x: Exchange) -> Any:
        try:
            result = call(x)
            return await result if inspect.isawaitable(result) else result
        except Exception as error:
            handler = table.find(error)
            if handler is None or x.started or x.done:
                raise
            return await asked(request_of(x), handler, error)

    return guard


class _NoStack(AsyncExitStack):
    """Stands where a plan has nothing to leave."""


NO_STACKS = Stacks(_NoStack(), _NoStack())
