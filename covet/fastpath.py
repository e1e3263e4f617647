"""A route's plan as one generated function, for requests that fit.

It takes all values from the exchange first, which changes nothing, then calls
the dependencies and the handler. Whatever does not fit (a value that is wrong
or missing, a body in pieces, an override) goes to the general way before
anything is called, so both ways give the same results.
"""

import copy
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from covet.bodies import form_models, is_json_type
from covet.callgen import code_of
from covet.core import BAD
from covet.dispatch import NO_BODY
from covet.encoders import encode
from covet.modelfield import ModelField
from covet.params import UNSET
from covet.responses import Response

if TYPE_CHECKING:
    from covet.core import Exchange
    from covet.endpoint import Endpoint
    from covet.requests import Context
    from covet.solve import Step

Call = Callable[["Exchange"], Any]
JSON = 1  # exchange.MediaType
IMMUTABLE = (str, bytes, int, float, bool, type(None), Enum, tuple, frozenset)
NATIVE = {int: "int", float: "float", bool: "bool", int | None: "int", float | None: "float", bool | None: "bool"}
SPECIAL = frozenset({"request", "connection"})


class Misfit(Exception):
    """The request does not fit the generated function."""


decode = msgspec.json.Decoder().decode


def fast_call(endpoint: "Endpoint", context: "Context", general: Call) -> Call | None:
    """The generated function of a route; None if its plan needs the general way in any case.

    Args:
        endpoint: the route's endpoint.
        context: what the requests have in common.
        general: the general way.
    """
    plan = endpoint.plan
    steps = plan.steps
    body = plan.body
    if (
        plan.yields
        or (body is not None and body.is_form)
        or not endpoint.is_coroutine
        or endpoint.streams
        or not endpoint.route.default_class
        or endpoint.route.max_body_size is not None
        or endpoint.route.convertors
        or not all(step.kind == "async" and step.concurrency is None for step in steps)
        or not all(kind in SPECIAL for step in steps for _, kind in step.special)
        or any(
            field.aliases[0] not in endpoint.route.param_names for step in steps for field in step.dependant.path_params
        )
        or not all(_is_plain(field) for step in steps for fields, _ in step.parameters for field in fields)
    ):
        return None
    return _Writer(endpoint, context, general).written()


def _is_plain(field: ModelField) -> bool:
    return field.model is None and len(field.aliases) == 1 and not field.holds_items and not field.uses_structs


class _Writer:
    """Writes the function. Of the user's names only those of parameters are part of the code."""

    def __init__(self, endpoint: "Endpoint", context: "Context", general: Call) -> None:
        self.endpoint = endpoint
        self.context = context
        self.names: dict[str, Any] = {
            "general": general, "overrides": endpoint.route.overrides, "UNSET": UNSET, "request_of": context.request_of,
            "deepcopy": copy.deepcopy, "is_json_type": is_json_type, "decode": decode, "context": context,
            "Response": Response, "encode": encode, "endpoint": endpoint, "Misfit": Misfit, "BAD": BAD,
        }  # fmt: skip
        self.lines: list[str] = []
        self.count = 0

    def written(self) -> Call:
        self._body()
        arguments = [self._arguments(step) for step in self.endpoint.plan.steps]
        taking = [f"        {line}" for line in self.lines]
        calling = self._calls(arguments)
        source = "\n".join(
            [
                "async def call(x):",
                "    if overrides():",
                "        return await general(x)",
                "    try:",
                *(taking or ["        pass"]),
                "    except Exception:",
                "        return await general(x)",
                *(f"    {line}" for line in calling),
                *(f"    {line}" for line in self._ending()),
                "",
            ]
        )
        exec(code_of(source), self.names)
        call: Call = self.names["call"]
        return call

    def _name(self, value: Any) -> str:
        self.count += 1
        name = f"n{self.count}"
        self.names[name] = value
        return name

    # ---- values -----------------------------------------------------------------

    def _arguments(self, step: "Step") -> list[str]:
        """Adds the lines that take a step's values; the arguments that it is called with."""
        found = [f"{name}=r{number}" for name, number in step.inputs if name is not None]
        for fields, attribute in step.parameters:
            found += [f"{field.name}={self._value(field, attribute)}" for field in fields]
        found += [f"{field.name}={self._body_value(field)}" for field in step.dependant.body_params]
        found += [f"{name}=request_of(x)" for name, _ in step.special]
        return found

    def _value(self, field: ModelField, attribute: str) -> str:
        self.count += 1
        value, alias = f"v{self.count}", field.aliases[0]
        native = NATIVE.get(field.annotation) if not field.is_constrained else None
        if native is not None and self._native(field, attribute, native, value):
            return value
        if attribute == "path_params":
            text = f"x.path_str({self.endpoint.route.param_names.index(alias)})"
        elif attribute == "query_params":
            text = f"x.query_str({self._name(alias)}, None)"
        elif attribute == "headers":
            text = f"x.header({self._name(alias.lower().encode('latin-1'))})"
        else:
            text = f"request_of(x).cookies.get({self._name(alias)})"
        self.lines.append(f"{value} = {text}")
        self.lines.append(f"if {value} is None:")
        self.lines.append(f"    {self._absent(field, value)}")
        convert = self._conversion(field, f"{value}.decode('latin-1')" if attribute == "headers" else value)
        if convert != value:
            self.lines += ["else:", f"    {value} = {convert}"]
        return value

    def _native(self, field: ModelField, attribute: str, kind: str, value: str) -> bool:
        """Adds the lines for a number that the exchange itself converts; whether it does."""
        alias = field.aliases[0]
        if attribute == "path_params" and kind != "bool":
            self.lines.append(f"{value} = x.path_{kind}({self.endpoint.route.param_names.index(alias)})")
        elif attribute == "query_params":
            self.lines += [
                f"{value} = x.query_{kind}({self._name(alias)}, None)",
                f"if {value} is None:",
                f"    {self._absent(field, value)}",
            ]
        else:
            return False
        self.lines += [f"if {value} is BAD:", "    raise Misfit"]
        return True

    def _absent(self, field: ModelField, value: str) -> str:
        if field.required or field.param.options.get("validate_default"):
            return "raise Misfit"
        factory = field.param.options.get("default_factory")
        if factory is not None:
            return f"{value} = {self._name(factory)}()"
        default = self._name(field.default)
        return f"{value} = {default if isinstance(field.default, IMMUTABLE) else f'deepcopy({default})'}"

    def _conversion(self, field: ModelField, text: str) -> str:
        if field.annotation in (str, str | None) and not field.is_constrained:
            return text
        return f"{self._name(field.validator.validate_python)}({text})"

    # ---- the body -------------------------------------------------------------------

    def _body(self) -> None:
        if self.endpoint.plan.body is None:
            return
        self.lines += [
            "body = x.body_whole()",
            "if not body:",
            "    raise Misfit",
            "kind = x.header(b'content-type')",
            "if kind != b'application/json' and not (kind and is_json_type(kind.decode('latin-1'))):",
            "    raise Misfit",
            "body = decode(body)",
        ]
        if self.endpoint.plan.body.embed:
            self.lines += ["if type(body) is not dict:", "    raise Misfit"]

    def _body_value(self, field: ModelField) -> str:
        plan = self.endpoint.plan.body
        assert plan is not None and not form_models(field)
        self.count += 1
        value = f"v{self.count}"
        if not plan.embed:
            self.lines.append(f"{value} = {self._validated(field, 'body')}")
            return value
        self.lines.append(f"{value} = body.get({self._name(field.aliases[0])}, UNSET)")
        self.lines.append(f"if {value} is UNSET:")
        if len(field.aliases) > 1:
            self.lines.append("    raise Misfit")
        else:
            self.lines.append(f"    {self._absent(field, value)}")
        self.lines += ["else:", f"    {value} = {self._validated(field, value)}"]
        return value

    def _validated(self, field: ModelField, value: str) -> str:
        if field.uses_structs:
            if field.customs:
                from covet.structs import from_pydantic

                convert = self._name(partial(msgspec.convert, dec_hook=from_pydantic))
                return f"{convert}({value}, {self._name(field.whole)})"
            self.names.setdefault("convert", msgspec.convert)
            return f"convert({value}, {self._name(field.whole)})"
        return f"{self._name(field.validator.validate_python)}({value}, from_attributes=True)"

    # ---- calls and the response ----------------------------------------------------------

    def _calls(self, arguments: list[list[str]]) -> list[str]:
        lines = []
        for number, step in enumerate(self.endpoint.plan.steps):
            lines.append(f"r{number} = await {self._name(step.call)}({', '.join(arguments[number])})")
        return lines

    def _ending(self) -> list[str]:
        """What becomes of the result; whatever is not usual is left to the endpoint."""
        route, field = self.endpoint.route, self.endpoint.field
        result = f"r{len(self.endpoint.plan.steps) - 1}"
        otherwise = f"return endpoint.response({result}, {self._name(self.endpoint.nothing)})"
        status = route.status_code
        if status in NO_BODY:
            return [otherwise]
        if field is None:
            return [
                f"if (type({result}) is dict or type({result}) is list) and not context.behind_layers:",
                f"    x.respond({status}, {JSON}, b'', encode({result}))",
                "    return None",
                otherwise,
            ]
        return [
            f"if context.behind_layers or isinstance({result}, Response) or type({result}) is tuple:",
            f"    {otherwise}",
            f"if hasattr({result}, 'raw_headers'):  # another framework's response",
            f"    {otherwise}",
            f"x.respond({status}, {JSON}, b'', {self._name(self.endpoint.encoded)}({result}))",
        ]
