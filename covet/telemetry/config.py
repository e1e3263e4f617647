"""What an application says of its telemetry."""

import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, fields
from importlib import metadata
from typing import TYPE_CHECKING, Any, TypedDict

from covet.checks import ConfigError
from covet.middleware.registry import AUTO_CONFIGURE

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from covet.middleware import Middleware

logger = logging.getLogger("covet.error")

LEAST_API = (1, 44)
"""The oldest version of opentelemetry-api whose loggers take exceptions as FastAPI hands them over."""

Exclude = Callable[[MutableMapping[str, Any]], bool]


class TelemetryConfig(TypedDict, total=False):
    """The argument `telemetry` of CovetPy; what is left out has its default.

    tracer_provider, meter_provider, logger_provider: used in the place of the global ones; they are never shut down.
    tracing: a span for each request and each WebSocket; True by default.
    metrics: the duration of requests, and how many are active; True by default.
    logs: records of failed validation and of exceptions that nobody handles, with their messages and stack traces;
        True by default.
    operation_spans: spans of dependencies, handlers, serialization and background tasks; True by default.
    auto_configure: add OTLP exporters as the environment says; False by default, unless the environment variable
        COVET_OTEL_AUTO_CONFIGURE, or FASTAPI_OTEL_AUTO_CONFIGURE, is "true".
    exclude: is given a request's ASGI scope; if it returns True there is no telemetry of that request.
    """

    tracer_provider: "TracerProvider | None"
    meter_provider: "MeterProvider | None"
    logger_provider: "LoggerProvider | None"
    tracing: bool
    metrics: bool
    logs: bool
    operation_spans: bool
    auto_configure: bool
    exclude: Exclude | None


@dataclass(frozen=True, kw_only=True)
class TelemetrySettings:
    """A TelemetryConfig with its defaults."""

    tracer_provider: Any = None
    meter_provider: Any = None
    logger_provider: Any = None
    tracing: bool = True
    metrics: bool = True
    logs: bool = True
    operation_spans: bool = True
    auto_configure: bool = False
    exclude: Exclude | None = None

    @property
    def is_on(self) -> bool:
        """Whether any signal is wanted."""
        return bool(self.tracing or self.metrics or self.logs)


def settings_of(config: Mapping[str, Any] | None) -> TelemetrySettings:
    """A configuration with its defaults.

    Raises:
        ConfigError: it names something that there is not, or `exclude` cannot be called.
    """
    known = [field.name for field in fields(TelemetrySettings)]
    given = dict(config or {})
    for name in given:
        if name not in known:
            raise ConfigError(f"telemetry has no setting {name!r}: it takes {', '.join(known)}")
    exclude = given.get("exclude")
    if exclude is not None and not callable(exclude):
        raise ConfigError(f"telemetry: exclude is a function that takes a scope, not {exclude!r}")
    given.setdefault("auto_configure", asked_for_exporters())
    return TelemetrySettings(**given)


def asked_for_exporters() -> bool:
    """Whether the environment asks for exporters."""
    return any(os.environ.get(name, "").lower() == "true" for name in AUTO_CONFIGURE)


def in_use(config: Mapping[str, Any] | None, middleware: "Iterable[Middleware]") -> TelemetrySettings | None:
    """What an application is traced and measured with; None if it is not, or OpenTelemetry's middleware does it.

    Args:
        config: what the application says.
        middleware: the application's.

    The environment's OTEL_SDK_DISABLED is OpenTelemetry's own (General SDK Configuration).
    """
    settings = settings_of(config)
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None  # the SDK would drop it all
    if not settings.is_on or any(is_instrumentation(each.cls) for each in middleware):
        return None
    if config is None and not settings.auto_configure and "opentelemetry.sdk" not in sys.modules:
        return None
    missing = _missing()
    if missing is not None:
        log = logger.debug if config is None and not settings.auto_configure else logger.warning
        log("There is no telemetry: it needs %s; pip install -U 'covetpy[opentelemetry]'", missing)
        return None
    return settings


def _missing() -> str | None:
    """What there is not that telemetry needs; None if it is there."""
    name, least = "opentelemetry-api", ".".join(map(str, LEAST_API))
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return name
    numbers = tuple(int(part) for part in found.split(".")[:2] if part.isdigit())
    return None if numbers >= LEAST_API else f"{name} {least} or later, not {found}"


def is_instrumentation(made_by: Any) -> bool:
    """Whether a middleware is OpenTelemetry's own for ASGI."""
    names = (getattr(made_by, "__module__", ""), getattr(made_by, "__name__", ""))
    return names == ("opentelemetry.instrumentation.asgi", "OpenTelemetryMiddleware")
