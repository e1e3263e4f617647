"""Where spans, metrics and logs go: the providers, and what is made of them."""

from dataclasses import dataclass
from typing import Any

from opentelemetry import _logs, metrics, trace

from covet.telemetry.config import TelemetrySettings

SCOPE_NAME = "covet"
SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Limits of the histogram in seconds, as the semantic conventions advise."""

UNCONFIGURED = frozenset(
    {
        ("opentelemetry.trace", "ProxyTracerProvider"),
        ("opentelemetry.metrics._internal", "_ProxyMeterProvider"),
        ("opentelemetry._logs._internal", "ProxyLoggerProvider"),
    }
)
"""What stands where no global provider has been set; the API has no way to ask."""
SILENT = (trace.NoOpTracerProvider, metrics.NoOpMeterProvider, _logs.NoOpLoggerProvider)


def is_unconfigured(provider: Any) -> bool:
    """Whether a global provider only stands for one that may be set later."""
    cls = type(provider)
    return (cls.__module__, cls.__name__) in UNCONFIGURED


@dataclass(frozen=True, slots=True)
class Instruments:
    """What measures requests."""

    duration: metrics.Histogram
    active: metrics.UpDownCounter


class Signals:
    """What an application's telemetry is written to; each is None while nobody wants it.

    The global providers may be set at any time, so they are asked for with each request.

    Args:
        settings: what the application says.
        version: CovetPy's.
    """

    def __init__(self, settings: TelemetrySettings, version: str) -> None:
        self._settings = settings
        self._version = version
        self._made: dict[str, tuple[Any, Any]] = {}

    def tracer(self) -> trace.Tracer | None:
        """Makes spans."""
        own = self._settings.tracer_provider
        return self._of("tracer", own or trace.get_tracer_provider(), own) if self._settings.tracing else None

    def logger(self) -> _logs.Logger | None:
        """Takes records."""
        own = self._settings.logger_provider
        return self._of("logger", own or _logs.get_logger_provider(), own) if self._settings.logs else None

    def instruments(self) -> Instruments | None:
        """Measures requests."""
        own = self._settings.meter_provider
        return self._of("meter", own or metrics.get_meter_provider(), own) if self._settings.metrics else None

    def _of(self, kind: str, provider: Any, own: Any) -> Any:
        made = self._made.get(kind)
        if made is not None and made[0] is provider:
            return made[1]
        if (own is None and is_unconfigured(provider)) or isinstance(provider, SILENT):
            return None
        found = getattr(provider, f"get_{kind}")(SCOPE_NAME, self._version, schema_url=SCHEMA_URL)
        if kind == "meter":
            found = _instruments(found)
        self._made[kind] = (provider, found)
        return found


def _instruments(meter: metrics.Meter) -> Instruments:
    return Instruments(
        meter.create_histogram(
            "http.server.request.duration",
            unit="s",
            description="Duration of HTTP server requests.",
            explicit_bucket_boundaries_advisory=DURATION_BUCKETS,
        ),
        meter.create_up_down_counter(
            "http.server.active_requests", unit="{request}", description="Number of active HTTP server requests."
        ),
    )
