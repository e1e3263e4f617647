"""Spans, metrics and logs for OpenTelemetry (https://opentelemetry.io/docs/specs/semconv/http/).

Nothing of it is loaded before an application needs it.
"""

from covet.telemetry.config import TelemetryConfig
from covet.telemetry.data import TelemetryData, get_telemetry_data

__all__ = ["TelemetryConfig", "TelemetryData", "get_telemetry_data"]
