"""Exporters as the environment says (https://opentelemetry.io/docs/specs/otel/protocol/exporter/)."""

import atexit
import logging
import os
import threading
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from opentelemetry import _logs, metrics, trace

from covet.checks import ConfigError
from covet.concurrency import run_in_threadpool
from covet.middleware.base import AsgiApp, Receive, Scope, Send
from covet.telemetry.config import TelemetrySettings
from covet.telemetry.signals import is_unconfigured

logger = logging.getLogger("covet.error")

PROTOCOL = "http/protobuf"
OTHERWISE = "configure it in the application, and leave out auto_configure"
ENDED = frozenset({"lifespan.shutdown.complete", "lifespan.shutdown.failed", "lifespan.startup.failed"})


class Signal(NamedTuple):
    """One of the three signals.

    Attributes:
        name: as environment variables have it.
        kind: what its provider is called.
        registers: the method by which a provider takes an exporter.
    """

    name: str
    kind: str
    registers: str


TRACES = Signal("TRACES", "tracer", "add_span_processor")
METRICS = Signal("METRICS", "meter", "add_metric_reader")
LOGS = Signal("LOGS", "logger", "add_log_record_processor")


async def around_lifespan(
    app: AsgiApp, settings: TelemetrySettings, scope: Scope, receive: Receive, send: Send
) -> None:
    """Adds exporters before the application starts up, and has them send what they hold when it has shut down."""

    async def configuring_receive() -> Any:
        message = await receive()
        if message["type"] == "lifespan.startup" and settings.auto_configure:
            try:
                exporters().configure(settings)
            except Exception as error:  # telemetry is no reason not to serve
                logger.warning("OpenTelemetry's exporters could not be set up from the environment: %s", error)
        return message

    async def flushing_send(message: Any) -> None:
        if message["type"] in ENDED and settings.auto_configure:
            await run_in_threadpool(exporters().flush)
        await send(message)

    await app(scope, configuring_receive, flushing_send)


class Exporters:
    """The exporters that were added to providers, and the providers that were made for them."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._owned: list[Any] = []
        self._configured: list[tuple[str, Any]] = []

    def configure(self, settings: TelemetrySettings) -> None:
        """Adds an exporter to each provider that has none of ours, if the environment names where it sends to.

        Raises:
            ConfigError: the environment asks for what there is not, a package is missing, or a provider takes none.
        """
        wanted = (
            (TRACES, settings.tracing, settings.tracer_provider),
            (METRICS, settings.metrics, settings.meter_provider),
            (LOGS, settings.logs, settings.logger_provider),
        )
        with self._lock:
            requested = [
                (signal, provider, endpoint)
                for signal, is_on, provider in wanted
                if is_on and (endpoint := endpoint_of(signal.name, os.environ)) is not None
            ]
            for signal, own, endpoint in requested:
                self._export(signal, own, endpoint)

    def _export(self, signal: Signal, own: Any, endpoint: str) -> None:
        provider = _registering(_global(signal) if own is None else own)
        if any(name == signal.name and known is provider for name, known in self._configured):
            return
        if own is None and is_unconfigured(provider):
            made = _provider_with(signal, endpoint)
            _set_global(signal, made)
            if _global(signal) is made:
                self._configured.append((signal.name, made))
                self._owned.append(made)
                return
            made.shutdown()  # another one was set meanwhile
            provider = _registering(_global(signal))
        register = getattr(provider, signal.registers, None)
        if not callable(register):
            raise ConfigError(f"the {signal.kind} provider takes no exporter: {OTHERWISE}")
        component = _component(signal, endpoint)
        try:
            register(component)
        except Exception:
            component.shutdown()
            raise
        self._configured.append((signal.name, provider))
        self._owned.append(component)

    def flush(self) -> None:
        """Has the exporters send what they hold; blocking."""
        for component in tuple(self._owned):
            try:
                component.force_flush()
            except Exception:
                logger.exception("Exception while OpenTelemetry's exporters sent what they held")

    def shutdown(self) -> None:
        """Ends what was made here; providers of the application go on."""
        with self._lock:
            owned = tuple(self._owned)
            self._owned.clear()
        for component in owned:
            try:
                component.shutdown()
            except Exception:
                logger.exception("Exception while OpenTelemetry's exporters were ended")


@cache
def exporters() -> Exporters:
    """The process's; they end with it."""
    made = Exporters()
    atexit.register(made.shutdown)
    return made


def endpoint_of(signal: str, environment: Mapping[str, str]) -> str | None:
    """Where a signal is sent to; None if it is not to be exported.

    Args:
        signal: TRACES, METRICS or LOGS.
        environment: the environment variables.

    Raises:
        ConfigError: another exporter or protocol is asked for, or the address is no URL.
    """
    exporter = (environment.get(f"OTEL_{signal}_EXPORTER") or "otlp").strip().lower()
    endpoint = environment.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")
    if not endpoint:
        base = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
        endpoint = f"{base.removesuffix('/')}/v1/{signal.lower()}" if base else None
    if endpoint is None or exporter == "none":
        return None
    if exporter != "otlp":
        raise ConfigError(f"OTEL_{signal}_EXPORTER can be otlp or none, not {exporter}; {OTHERWISE}")
    own, common = f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"
    protocol = environment.get(own) or environment.get(common) or PROTOCOL
    if protocol != PROTOCOL:
        name = own if environment.get(own) else common
        raise ConfigError(f"{name} can be {PROTOCOL}, not {protocol}; {OTHERWISE}")
    url = urlsplit(endpoint)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ConfigError(f"the OTLP endpoint for {signal.lower()} must be an absolute http or https URL: {endpoint!r}")
    return endpoint


def _registering(provider: Any) -> Any:
    """The provider that takes exporters: older versions of Logfire wrap one for metrics that they do not pass on."""
    cls = type(provider)
    wraps = (cls.__module__, cls.__name__) == ("logfire._internal.metrics", "ProxyMeterProvider")
    return provider.provider if wraps and not hasattr(provider, METRICS.registers) else provider


def _global(signal: Signal) -> Any:
    if signal is TRACES:
        return trace.get_tracer_provider()
    return metrics.get_meter_provider() if signal is METRICS else _logs.get_logger_provider()


def _set_global(signal: Signal, provider: Any) -> None:
    if signal is TRACES:
        trace.set_tracer_provider(provider)
    elif signal is METRICS:
        metrics.set_meter_provider(provider)
    else:
        _logs.set_logger_provider(provider)


def _provider_with(signal: Signal, endpoint: str) -> Any:
    component = _component(signal, endpoint)
    if signal is METRICS:
        from opentelemetry.sdk.metrics import MeterProvider

        return MeterProvider(metric_readers=[component], shutdown_on_exit=False)
    provider: Any
    if signal is TRACES:
        from opentelemetry.sdk.trace import TracerProvider

        provider = TracerProvider(shutdown_on_exit=False)
    else:
        from opentelemetry.sdk._logs import LoggerProvider

        provider = LoggerProvider(shutdown_on_exit=False)
    getattr(provider, signal.registers)(component)
    return provider


def _component(signal: Signal, endpoint: str) -> Any:
    try:
        if signal is TRACES:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.trace.export import BatchSpanProcessor

            return BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint))
        if signal is METRICS:
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
            from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

            return PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=endpoint))
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

        return BatchLogRecordProcessor(OTLPLogExporter(endpoint=endpoint))
    except ImportError as error:
        raise ConfigError(f"{error}: pip install 'covetpy[opentelemetry]', or leave out auto_configure") from error
