"""The function of a route that the native runner calls with an exchange.

With code generation, one function is compiled for each route at start-up: it
takes the parameters in canonical form straight from the exchange. Anything
else (text in another form, missing or bad values) goes to the general way,
which has the last word, so both ways give the same results.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any

from covet.concurrency import run_in_threadpool
from covet.convert import Invalid
from covet.core import BAD, Exchange
from covet.exceptions import RequestValidationError
from covet.parameter import MISSING, Errors, Parameter
from covet.requests import Request

Call = Callable[[Exchange], Any]
RequestOf = Callable[[Exchange], Request]
Handler = Callable[..., Any]


def make_call(
    handler: Handler,
    parameters: Sequence[Parameter],
    request_of: RequestOf,
    *,
    blocking: bool = False,
    cancel: bool = False,
    generate: bool = True,
) -> Call:
    """The function that calls `handler` with what it wants from an exchange.

    It returns the handler's result or coroutine and raises RequestValidationError.

    Args:
        handler: the route's handler.
        parameters: the handler's parameters, in order.
        request_of: gives the Request of an exchange.
        blocking: the handler is called in a thread.
        cancel: the handler's task is cancelled when the client goes away.
        generate: generate code, instead of going through the parameters for each request.
    """
    target = _in_thread(handler) if blocking else handler
    general = _general(target, parameters, request_of)
    call = _generated(target, parameters, request_of, general) if generate else general
    return cancelled(call) if cancel else call


def _in_thread(handler: Handler) -> Handler:
    def call(*args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        return run_in_threadpool(handler, *args, **kwargs)

    return call


def _general(target: Handler, parameters: Sequence[Parameter], request_of: RequestOf) -> Call:
    # As in FastAPI, errors in the path come before those in the query.
    in_order = sorted(range(len(parameters)), key=lambda i: parameters[i].source != "path")

    def call(x: Exchange) -> Any:
        errors: Errors = []
        values: list[Any] = [None] * len(parameters)
        for i in in_order:
            parameter = parameters[i]
            values[i] = request_of(x) if parameter.source == "request" else parameter.extract(x, errors)
        if errors:
            raise RequestValidationError(errors)
        return target(**{p.name: value for p, value in zip(parameters, values, strict=True)})

    return call


@lru_cache(maxsize=1024)
def code_of(source: str) -> CodeType:
    """The code of generated source, which routes of the same form share."""
    return compile(source, "<covet route>", "exec")


def _generated(target: Handler, parameters: Sequence[Parameter], request_of: RequestOf, general: Call) -> Call:
    """Compiles the function of a route. Of the user's names only those of parameters are part of the code.

    Decorators look for arguments by name, so all are given by name, as in FastAPI.
    """
    names: dict[str, Any] = {
        "BAD": BAD, "MISSING": MISSING, "Invalid": Invalid,
        "general": general, "request_of": request_of, "target": target,
    }  # fmt: skip
    lines, arguments = [], []
    for i, parameter in enumerate(parameters):
        names[f"name{i}"], names[f"default{i}"] = parameter.name, parameter.default
        names[f"convert{i}"] = parameter.convert
        lines += _lines(i, parameter)
        arguments.append(f"{parameter.name}=v{i}")
    source = "\n    ".join(["def call(x):", *lines, f"return target({', '.join(arguments)})", ""])
    exec(code_of(source), names)
    call: Call = names["call"]
    return call


def _lines(i: int, parameter: Parameter) -> list[str]:
    """The code that takes parameter number `i` from the exchange."""
    if parameter.source == "request":
        return [f"v{i} = request_of(x)"]
    otherwise = [f"if v{i} is BAD:", "    return general(x)"]
    native = parameter.native.__name__ if parameter.native else ""
    if parameter.source == "path":
        if native == "str":
            return [f"v{i} = x.path_str({parameter.index})"]
        if native in ("int", "float"):
            return [f"v{i} = x.path_{native}({parameter.index})", *otherwise]
        return _converted(i, [f"v{i} = convert{i}(x.path_str({parameter.index}))"])
    required = parameter.default is MISSING
    absent = "BAD" if required else f"default{i}"
    if parameter.many:
        return [
            f"v{i} = [value for name, value in x.query_items() if name == name{i}]",
            *_converted(i, [f"v{i} = [convert{i}(value) for value in v{i}]"]),
            f"if not v{i}:",
            "    return general(x)",
        ]
    if native == "str" and not required:
        return [f"v{i} = x.query_str(name{i}, {absent})"]
    if native:
        return [f"v{i} = x.query_{native}(name{i}, {absent})", *otherwise]
    return [
        f"v{i} = x.query_str(name{i}, MISSING)",
        f"if v{i} is MISSING:",
        f"    {'return general(x)' if required else f'v{i} = default{i}'}",
        "else:",
        *("    " + line for line in _converted(i, [f"v{i} = convert{i}(v{i})"])),
    ]


def _converted(i: int, lines: list[str]) -> list[str]:
    return ["try:", *("    " + line for line in lines), "except Invalid:", "    return general(x)"]


def cancelled(call: Call) -> Call:
    """Has the task of the handler cancelled when the client goes away while it runs."""

    async def until_done(x: Exchange, coroutine: Coroutine[Any, Any, Any]) -> Any:
        task = asyncio.current_task()
        assert task is not None
        x.on_cancel(task.cancel)
        try:
            return await coroutine
        finally:
            x.on_cancel(None)

    def cancellable(x: Exchange) -> Any:
        result = call(x)
        return until_done(x, result) if asyncio.iscoroutine(result) else result

    return cancellable
