"""Endpoints that tell of what they do."""

import inspect
from typing import Any

from covet.background import BackgroundTasks
from covet.concurrency import run_in_threadpool
from covet.endpoint import Endpoint
from covet.exceptions import RequestValidationError, WebSocketRequestValidationError
from covet.modelfield import Errors
from covet.params import UNSET
from covet.requests import Request
from covet.responses import Response
from covet.solve import Plan, Solved, Stacks
from covet.telemetry.data import TelemetryData, get_telemetry_data
from covet.telemetry.operations import call_traced, note_validation_failed, operation
from covet.websockets import WebSocket
from covet.wsdispatch import SocketEndpoint


class TracedEndpoint(Endpoint):
    """An Endpoint with spans of its operations, and with data for processors."""

    async def respond(self, request: Request, stacks: Stacks) -> Response:
        data = get_telemetry_data() or TelemetryData()
        data.request = request
        plan = self.current()
        try:
            body = UNSET if plan.body is None else await self.read(plan.body, request, stacks)
        except RequestValidationError as error:
            note_validation_failed(error)
            raise
        data.body = None if body is UNSET else body
        with operation("dependencies", plan.dependant.call):
            solved, data.errors = await plan.solve(request, stacks, body)
            data.values = solved.values
        if data.errors:
            misfit = RequestValidationError(data.errors, body=data.body)
            note_validation_failed(misfit)
            raise misfit
        if self.streams:
            return self._streamed(plan.dependant.call(**solved.values), solved, request)
        response = self.response(await self._result(plan, solved), solved)
        if type(response.background) is BackgroundTasks:
            response.background = TracedTasks(response.background)
        return response

    async def _result(self, plan: Plan, solved: Solved) -> Any:
        call = plan.dependant.call
        if self.is_coroutine:
            with operation("endpoint", call):
                return await call(**solved.values)
        result = await run_in_threadpool(call_traced, call, solved.values)
        return await result if inspect.isawaitable(result) else result

    def _rendered(self, result: Any, solved: Solved) -> Response:
        with operation("serialization", self.route.endpoint):
            return super()._rendered(result, solved)


class TracedTasks(BackgroundTasks):
    """Background tasks with a span for each.

    Args:
        tasks: the tasks, to which more may be added yet.
    """

    def __init__(self, tasks: BackgroundTasks) -> None:
        self.tasks = tasks.tasks

    async def __call__(self) -> None:
        for task in self.tasks:
            with operation("background_task", task.func):
                await task()


class TracedSocketEndpoint(SocketEndpoint):
    """A SocketEndpoint with spans of its operations, and with data for processors."""

    async def solve(self, plan: Plan, websocket: WebSocket, stacks: Stacks) -> tuple[Solved, Errors]:
        data = get_telemetry_data() or TelemetryData()
        data.websocket = websocket
        with operation("dependencies", plan.dependant.call):
            solved, errors = await super().solve(plan, websocket, stacks)
            data.values, data.errors = solved.values, errors
        return solved, errors

    def misfit(self, errors: Errors, websocket: WebSocket) -> WebSocketRequestValidationError:
        error = super().misfit(errors, websocket)
        note_validation_failed(error)
        return error

    async def call(self, plan: Plan, solved: Solved) -> None:
        with operation("endpoint", plan.dependant.call):
            await super().call(plan, solved)
