"""Resolves what a handler depends on: a plan made once, run for each request."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from covet.bodies import BodyPlan, FormLimits, take_body
from covet.concurrency import run_in_threadpool
from covet.dependant import Dependant, get_dependant
from covet.modelfield import Errors, ModelField
from covet.params import UNSET
from covet.values import Values, prepare, take

FAILED: Any = object()
"""The result of what could not be called, as something in the request does not fit."""

Overrides = Mapping[Callable[..., Any], Callable[..., Any]]


class Stacks(NamedTuple):
    """Where dependencies that yield are left."""

    request: AsyncExitStack
    """Closed when the response was sent."""
    function: AsyncExitStack
    """Closed when the handler has returned."""


@dataclass(slots=True)
class Solved:
    """What a handler is called with.

    Attributes:
        values: by the parameters' names.
        response: where dependencies and the handler may have put header fields and a status; None if nobody asked.
        background: the tasks for afterwards; None if nobody asked.
    """

    values: Values
    response: Any = None
    background: Any = None


class Step:
    """One call in a plan.

    Args:
        dependant: what is called.
        inputs: the parameters that get results of earlier steps, and the numbers of those steps.
    """

    def __init__(self, dependant: Dependant, inputs: Sequence[tuple[str | None, int]]) -> None:
        self.dependant = dependant
        self.call = dependant.call
        self.inputs = inputs
        self.kind = dependant.kind
        self.special = tuple(dependant.special.items())
        self.parameters = [
            (fields, source)
            for fields, source in (
                (dependant.path_params, "path_params"),
                (dependant.query_params, "query_params"),
                (dependant.header_params, "headers"),
                (dependant.cookie_params, "cookies"),
            )
            if fields
        ]
        self.concurrency = None if dependant.depends is None else dependant.depends.concurrency
        self.lasts = dependant.lasts
        for fields, _ in self.parameters:
            prepare(fields)
        prepare(dependant.body_params)

    async def result(self, values: Values, stacks: Stacks) -> Any:
        """Calls it."""
        if self.concurrency is None or self.kind.endswith("generator"):
            return await self._called(values, stacks)
        async with self.concurrency.semaphore():
            return await self._called(values, stacks)

    async def _called(self, values: Values, stacks: Stacks) -> Any:
        if self.kind == "async":
            return await self.call(**values)
        if self.kind == "sync":
            return await run_in_threadpool(self.call, **values)
        if self.kind == "generator":
            from covet.concurrency import contextmanager_in_threadpool

            manager = contextmanager_in_threadpool(contextmanager(self.call)(**values))
        else:
            manager = asynccontextmanager(self.call)(**values)
        stack = stacks.function if self.lasts == "function" else stacks.request
        if self.concurrency is not None:
            await stack.enter_async_context(self.concurrency.semaphore())
        return await stack.enter_async_context(manager)


SOURCES = {"path_params": "path", "query_params": "query", "headers": "header", "cookies": "cookie"}


class Plan:
    """The steps before a handler is called, in order; the last one is the handler itself.

    Args:
        dependant: the handler's.
        strict_content_type: see BodyPlan.
        form_limits: see BodyPlan.
    """

    def __init__(
        self, dependant: Dependant, *, strict_content_type: bool = True, form_limits: FormLimits | None = None
    ) -> None:
        self.dependant = dependant
        self.steps: list[Step] = []
        self._numbers: dict[Any, int] = {}
        self._number_of: dict[int, int] = {}
        body_fields = [field for found in dependant.flat() for field in found.body_params]
        options = {"strict_content_type": strict_content_type, "form_limits": form_limits}
        self.body = BodyPlan(body_fields, **options) if body_fields else None  # type: ignore[arg-type]
        self._add(dependant)
        self.yields = any(step.kind.endswith("generator") for step in self.steps[:-1])
        wanted = {kind for found in dependant.flat() for kind in found.special.values()}
        self._wants_response = "response" in wanted
        self._wants_background = "background" in wanted

    def _add(self, dependant: Dependant) -> int:
        key = dependant.key if dependant is not self.dependant else object()
        known = self._numbers.get(key) if dependant.use_cache else None
        if known is not None:
            self._number_of[id(dependant)] = known
            return known
        inputs = [(found.name, self._add(found)) for found in dependant.dependencies]
        number = len(self.steps)
        self.steps.append(Step(dependant, inputs))
        self._numbers.setdefault(key, number)
        self._number_of[id(dependant)] = number
        return number

    async def solve(self, request: Any, stacks: Stacks, body: Any = UNSET) -> tuple[Solved, Errors]:
        """What the handler is to be called with, and what is wrong with the request.

        Args:
            request: the Request or the WebSocket.
            stacks: where dependencies that yield are left.
            body: what the body plan has read.

        Raises:
            Exception: what a dependency raises.
        """
        solved = Solved({})
        if self._wants_response:
            from covet.responses import Response

            solved.response = Response()
            del solved.response.headers["content-length"]
            solved.response.status_code = None
        if self._wants_background:
            from covet.background import BackgroundTasks

            solved.background = BackgroundTasks()
        results: list[Any] = []
        failures: dict[int, Errors] = {}
        last = len(self.steps) - 1
        for number, step in enumerate(self.steps):
            values: Values = {}
            fits = True
            for name, source in step.inputs:
                result = results[source]
                if result is FAILED:
                    fits = False
                elif name is not None:
                    values[name] = result
            errors: Errors = []
            for fields, attribute in step.parameters:
                take(fields, getattr(request, attribute), SOURCES[attribute], values, errors)
            if step.dependant.body_params and self.body is not None:
                await take_body(step.dependant.body_params, self.body, body, values, errors)
            if errors:
                failures[number] = errors
                fits = False
            if step.special:
                self._fill(step, values, request, solved)
            if number == last:
                solved.values = values
            else:
                results.append(await step.result(values, stacks) if fits else FAILED)
        return solved, self._all(self.dependant, failures) if failures else []

    def _all(self, dependant: Dependant, failures: Mapping[int, Errors]) -> Errors:
        """All errors, those of dependencies before those of what depends on them."""
        found = [error for dependency in dependant.dependencies for error in self._all(dependency, failures)]
        return [*found, *failures.get(self._number_of[id(dependant)], ())]

    @staticmethod
    def _fill(step: Step, values: Values, request: Any, solved: Solved) -> None:
        for name, kind in step.special:
            if kind == "response":
                values[name] = solved.response
            elif kind == "background":
                values[name] = solved.background
            elif kind == "scopes":
                from covet.security.oauth2 import SecurityScopes

                values[name] = SecurityScopes(scopes=step.dependant.scopes)
            else:
                values[name] = request


def overridden(dependant: Dependant, overrides: Overrides, path_names: Sequence[str]) -> Dependant:
    """A copy in which other functions stand for some of the dependencies.

    Args:
        dependant: the handler's.
        overrides: what stands for what; `app.dependency_overrides`.
        path_names: the names in the route's path.
    """
    from dataclasses import replace

    dependencies = []
    for found in dependant.dependencies:
        other = overrides.get(found.call)
        if other is not None:
            fresh = get_dependant(
                path_names, other, name=found.name, declared=found.depends, parent_scopes=found.parent_scopes
            )
            dependencies.append(overridden(fresh, overrides, path_names))
        else:
            dependencies.append(overridden(found, overrides, path_names))
    return replace(dependant, dependencies=dependencies)


def body_fields(dependant: Dependant) -> list[ModelField]:
    """The body parameters of a handler and all that it depends on."""
    return [field for found in dependant.flat() for field in found.body_params]
