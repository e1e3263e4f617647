"""Puts telemetry around an ASGI application: a span and a measurement for each request."""

from collections.abc import Mapping
from contextlib import nullcontext
from time import perf_counter
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import propagate, trace

from covet import __version__
from covet.middleware.base import AsgiApp, Receive, Scope, Send
from covet.telemetry.attributes import FieldsGetter, common_attributes, known_methods, span_attributes
from covet.telemetry.config import TelemetrySettings
from covet.telemetry.data import CONTEXT_KEY, SCOPE_KEY, RequestTelemetry
from covet.telemetry.operations import is_normal_disconnect, note_exception, type_of
from covet.telemetry.signals import Instruments, Signals

GETTER = FieldsGetter()
SERVER_ERROR = 500


class ServerTelemetry:
    """The telemetry of an application.

    Args:
        app: the application, with its middleware and the answers to what nobody has handled.
        settings: what it says of its telemetry.
    """

    def __init__(self, app: AsgiApp, settings: TelemetrySettings) -> None:
        self._app = app
        self._settings = settings
        self._signals = Signals(settings, __version__)
        self._methods = known_methods()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one ASGI 3 connection. Raises what the application raises."""
        if scope["type"] == "lifespan":
            from covet.telemetry.export import around_lifespan

            await around_lifespan(self._app, self._settings, scope, receive, send)
        elif SCOPE_KEY in scope:  # an application around this one has begun
            await self._app(scope, receive, send)
        else:
            await self._observed(scope, receive, send)

    async def _observed(self, scope: Scope, receive: Receive, send: Send) -> None:
        signals = self._signals
        is_websocket = scope["type"] == "websocket"
        tracer, logger = signals.tracer(), signals.logger()
        instruments = None if is_websocket else signals.instruments()
        if tracer is None and logger is None and instruments is None:
            await self._app(scope, receive, send)
            return
        if self._settings.exclude is not None and self._settings.exclude(scope):
            await self._excluded(scope, receive, send)
            return
        common = common_attributes(scope, self._methods)
        method = "WS" if is_websocket else common["http.request.method"].replace("_OTHER", "HTTP")
        telemetry = RequestTelemetry(
            span=None,
            span_method=method,
            tracer=tracer if self._settings.operation_spans else None,
            logger=logger,
            mount_prefix=scope.get("app_root_path", scope.get("root_path", "")).rstrip("/"),
        )
        observation = Observation(telemetry, common, instruments)
        parent = None
        if tracer is not None:
            parent = propagate.extract(scope["headers"], getter=GETTER)
            attributes = span_attributes(scope, common)
            telemetry.span = tracer.start_span(
                method, context=parent, kind=trace.SpanKind.SERVER, attributes=attributes
            )
        base = otel_context.get_current() if parent is None else parent
        token = otel_context.attach(otel_context.set_value(CONTEXT_KEY, telemetry, base))
        scope[SCOPE_KEY] = telemetry
        try:
            await observation.run(self._app, scope, receive, send)
        finally:
            telemetry.data = None
            telemetry.exceptions.clear()
            otel_context.detach(token)
            scope.pop(SCOPE_KEY, None)

    async def _excluded(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[SCOPE_KEY] = None  # mounted applications leave it alone as well
        # A request that is made within another one would belong to that one.
        token = otel_context.attach(otel_context.set_value(CONTEXT_KEY, None))
        try:
            await self._app(scope, receive, send)
        finally:
            otel_context.detach(token)
            scope.pop(SCOPE_KEY, None)


class Observation:
    """Watches one request or WebSocket until its response is complete.

    Args:
        telemetry: what is known of it.
        attributes: what both the span and the metrics say of it.
        instruments: what measures it, if it is measured.
    """

    def __init__(
        self, telemetry: RequestTelemetry, attributes: dict[str, Any], instruments: Instruments | None
    ) -> None:
        self._telemetry = telemetry
        self._attributes = attributes
        self._instruments = instruments
        self._active = {key: value for key, value in attributes.items() if key != "network.protocol.version"}
        self._began = perf_counter()
        self._finished = self._trailers = self._disconnected = False
        if instruments is not None:
            instruments.active.add(1, self._active)

    async def run(self, app: AsgiApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Calls the application, with the span as the current one. Raises what it raises."""
        span, is_websocket = self._telemetry.span, scope["type"] == "websocket"

        async def noting_receive() -> Any:
            message = await receive()
            self._disconnected = self._disconnected or message["type"] == "http.disconnect"
            return message

        async def noting_send(message: Any) -> None:
            if message["type"] == "http.response.start":
                self._telemetry.status_code = message["status"]
                self._trailers = message.get("trailers", False)
            await send(message)
            if self._is_last(message):
                self._finish()

        with nullcontext() if span is None else _as_current(span):
            try:
                await (app(scope, receive, send) if is_websocket else app(scope, noting_receive, noting_send))
            except BaseException as error:
                note_exception(scope, error)
                self._finish(None if is_websocket and is_normal_disconnect(error) else error)
                raise
            finally:
                self._finish(None if is_websocket else self._incomplete())

    def _is_last(self, message: Mapping[str, Any]) -> bool:
        kind = message["type"]
        if kind == "http.response.body":
            return not message.get("more_body", False) and not self._trailers
        if kind == "http.response.trailers":
            return not message.get("more_trailers", False)
        return bool(kind == "http.response.pathsend")

    def _incomplete(self) -> Exception:
        return (
            ConnectionError("Client disconnected") if self._disconnected else RuntimeError("Incomplete ASGI response")
        )

    def _finish(self, error: BaseException | None = None) -> None:
        """Writes down how it went; once."""
        if self._finished:
            return
        self._finished = True
        telemetry, attributes, span = self._telemetry, self._attributes, self._telemetry.span
        if telemetry.route is not None:
            attributes["http.route"] = telemetry.route
        if telemetry.status_code is not None:
            attributes["http.response.status_code"] = telemetry.status_code
        failed = error is not None or (telemetry.span_method != "WS" and (telemetry.status_code or 500) >= SERVER_ERROR)
        if failed:
            failure = error or (telemetry.exceptions[-1] if telemetry.exceptions else None)
            attributes["error.type"] = (
                str(telemetry.status_code or "incomplete_response") if failure is None else type_of(failure)
            )
        if span is not None:
            span.set_attributes(attributes)
            if failed:
                span.set_status(trace.StatusCode.ERROR)
        if self._instruments is not None:  # while the span is current, so that exemplars name it
            self._instruments.duration.record(max(0.0, perf_counter() - self._began), attributes)
            self._instruments.active.add(-1, self._active)
        if span is not None:
            span.end()


class ExceptionObserver:
    """Notes exceptions that nobody has handled, before they are answered.

    Args:
        app: the application, with its middleware.
    """

    def __init__(self, app: AsgiApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one ASGI 3 connection. Raises what the application raises."""
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            note_exception(scope, error)
            raise


def _as_current(span: trace.Span) -> Any:
    return trace.use_span(span, end_on_exit=False, record_exception=False, set_status_on_exception=False)
