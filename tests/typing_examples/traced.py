"""Telemetry of an application."""

from collections.abc import MutableMapping
from typing import Any, assert_type

from covet import CovetPy, Request
from covet.telemetry import TelemetryConfig, TelemetryData, get_telemetry_data


def exclude(scope: MutableMapping[str, Any]) -> bool:
    return str(scope["path"]).startswith("/health")


config: TelemetryConfig = {"tracing": True, "operation_spans": False, "exclude": exclude}
app = CovetPy(telemetry=config)
also = CovetPy(telemetry={"auto_configure": True})


@app.get("/")
async def root() -> None:
    data = get_telemetry_data()
    assert_type(data, TelemetryData | None)
    if data is not None:
        assert_type(data.request, Request | None)
        assert_type(data.values, dict[str, Any] | None)
