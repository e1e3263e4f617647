"""What may be said of telemetry, and when there is some."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

from covet import CovetPy
from covet.checks import ConfigError
from covet.telemetry.config import in_use, settings_of
from covet.telemetry.export import endpoint_of
from covet.testclient import TestClient

from .recorded import Recorder


def answering(**options: Any) -> CovetPy:
    app = CovetPy(**options)

    @app.get("/")
    async def root() -> dict[str, str]:
        return {"hello": "world"}

    return app


def test_a_setting_that_there_is_not() -> None:
    with pytest.raises(ConfigError, match="telemetry has no setting 'traces'"):
        CovetPy(telemetry={"traces": True})  # type: ignore[typeddict-unknown-key]


def test_an_exclude_that_cannot_be_called() -> None:
    with pytest.raises(ConfigError, match="exclude is a function"):
        CovetPy(telemetry={"exclude": ["/health"]})  # type: ignore[typeddict-item]


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("TRUE", True), ("1", False), ("", False)])
def test_auto_configure(monkeypatch: pytest.MonkeyPatch, value: str, expected: bool) -> None:
    monkeypatch.setenv("COVET_OTEL_AUTO_CONFIGURE", value)
    assert settings_of(None).auto_configure is expected
    assert settings_of({"auto_configure": not expected}).auto_configure is not expected


@pytest.mark.parametrize(
    "providers",
    [
        {"tracer_provider": trace.NoOpTracerProvider()},
        {"meter_provider": metrics.NoOpMeterProvider()},
        {"tracing": False, "metrics": False, "logs": False},
        {},
    ],
)
def test_without_a_provider_that_tells_anybody(providers: Any) -> None:
    with TestClient(answering(telemetry=providers)) as client:
        assert client.get("/").json() == {"hello": "world"}


def test_the_instrumentation_for_asgi_is_left_alone() -> None:
    recorder = Recorder()
    app = answering(telemetry=recorder.config)
    app.add_middleware(OpenTelemetryMiddleware, tracer_provider=recorder.tracer_provider)
    with TestClient(app) as client:
        client.get("/")
    names = [span.name for span in recorder.spans.get_finished_spans()]
    assert sum(1 for span in recorder.spans.get_finished_spans() if span.kind is trace.SpanKind.SERVER) == 1
    assert "fastapi.endpoint" not in names


def test_spans_with_middleware_of_all_kinds() -> None:
    from covet.middleware.base import BaseHTTPMiddleware
    from covet.middleware.cors import CORSMiddleware
    from covet.middleware.gzip import GZipMiddleware

    recorder = Recorder()
    app = answering(telemetry=recorder.config)
    app.add_middleware(GZipMiddleware)
    app.add_middleware(CORSMiddleware, allow_origins=["https://a.example"])

    async def dispatch(request: Any, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["x-seen"] = request.url.path
        return response

    app.add_middleware(BaseHTTPMiddleware, dispatch=dispatch)
    with TestClient(app) as client:
        assert client.get("/", headers={"origin": "https://a.example"}).headers["x-seen"] == "/"
        preflight = {"origin": "https://a.example", "access-control-request-method": "GET"}
        assert client.options("/", headers=preflight).status_code == 200
    spans = {span.name: span for span in recorder.spans.get_finished_spans()}
    assert spans["fastapi.endpoint"].parent.span_id == spans["GET /"].context.span_id
    assert "OPTIONS /" in spans


@pytest.mark.parametrize(
    ("value", "told"), [("true", False), (" True ", False), ("false", True), ("1", True), ("", True)]
)
def test_the_environment_turns_it_off(monkeypatch: pytest.MonkeyPatch, value: str, told: bool) -> None:
    recorder = Recorder()
    monkeypatch.setenv("OTEL_SDK_DISABLED", value)
    app = answering(telemetry=recorder.config)
    with TestClient(app) as client:
        client.get("/")
    assert bool(recorder.spans.get_finished_spans()) is told
    assert (app.place_middleware().telemetry is not None) is told


def test_the_version_is_told() -> None:
    import covet

    recorder = Recorder()
    with TestClient(answering(telemetry=recorder.config)) as client:
        client.get("/")
    scope = recorder.spans.get_finished_spans()[0].instrumentation_scope
    assert (scope.name, scope.version) == ("covet", covet.__version__)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/"}, "http://c:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, None),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://c/x"}, "https://c/x"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "grpc"}, "http://c/v1/traces"),
    ],
)
def test_endpoints(environment: dict[str, str], expected: str | None) -> None:
    assert endpoint_of("TRACES", environment) == expected


WITHOUT = """
import sys
from importlib import metadata
sys.modules["opentelemetry"] = None  # not to be imported

def version(name, found=metadata.version):
    if name.startswith("opentelemetry"):
        raise metadata.PackageNotFoundError(name)
    return found(name)

metadata.version = version
from covet import CovetPy
from covet.telemetry import TelemetryConfig, TelemetryData
from covet.testclient import TestClient

app = CovetPy(telemetry=TelemetryConfig(auto_configure=True))

@app.get("/")
async def root(): return {}

with TestClient(app) as client:
    assert client.get("/").json() == {}
"""


def test_without_opentelemetry() -> None:
    found = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 0, found.stderr
    assert "it needs opentelemetry-api; pip install -U 'covetpy[opentelemetry]'" in found.stderr


@pytest.mark.parametrize(
    ("version", "there"), [("1.43.0", False), ("1.44.0", True), ("1.100", True), ("2.0.0rc1", True)]
)
def test_old_versions(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, version: str, there: bool
) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda _: version)
    assert (in_use(None, ()) is not None) is there
    assert not caplog.messages  # nobody has asked for it
    assert (in_use({"tracing": True}, ()) is not None) is there
    assert ("1.44 or later" in caplog.text) is not there
