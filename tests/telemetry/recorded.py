"""What an application has told OpenTelemetry, in a form in which two of them can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


@dataclass
class Recorder:
    """Providers that keep what they are told."""

    spans: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    metrics: InMemoryMetricReader = field(default_factory=InMemoryMetricReader)
    logs: InMemoryLogRecordExporter = field(default_factory=InMemoryLogRecordExporter)

    def __post_init__(self) -> None:
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.spans))
        self.meter_provider = MeterProvider([self.metrics])
        self.logger_provider = LoggerProvider()
        self.logger_provider.add_log_record_processor(SimpleLogRecordProcessor(self.logs))

    def add(self, processor: SpanProcessor) -> None:
        self.tracer_provider.add_span_processor(processor)

    @property
    def config(self) -> dict[str, Any]:
        """The providers, for an application's argument telemetry."""
        return {
            "tracer_provider": self.tracer_provider,
            "meter_provider": self.meter_provider,
            "logger_provider": self.logger_provider,
        }

    def told(self) -> dict[str, Any]:
        """Everything so far."""
        return {"spans": self._spans(), "metrics": self._metrics(), "logs": self._logs()}

    def _spans(self) -> list[Any]:
        finished = self.spans.get_finished_spans()
        names = {span.context.span_id: span.name for span in finished}
        return [
            (
                span.name,
                span.kind.name,
                span.status.status_code.name,
                _plain(span.attributes),
                (names.get(span.parent.span_id, f"{span.parent.span_id:x}") if span.parent else None),
                len(span.events),
            )
            for span in finished
        ]

    def _metrics(self) -> list[Any]:
        data = self.metrics.get_metrics_data()
        found = []
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        count = getattr(point, "count", None)
                        bounds = list(getattr(point, "explicit_bounds", ()))
                        value = getattr(point, "value", None)
                        told = (metric.name, metric.unit, metric.description, _plain(point.attributes))
                        found.append((*told, count, value, bounds))
        return sorted(found, key=repr)

    def _logs(self) -> list[Any]:
        found = []
        for each in self.logs.get_finished_logs():
            record = each.log_record
            attributes = _plain(record.attributes)
            assert ("exception.type" in attributes) is ("exception.stacktrace" in attributes)
            attributes.pop("exception.stacktrace", None)
            found.append((record.event_name, record.severity_text, record.body, attributes, record.span_id != 0))
        return found


def _plain(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    """Attributes in which the frameworks have the same names."""
    return {
        key: value.replace("fastapi.exceptions.", "covet.exceptions.").replace(
            "starlette.websockets.", "covet.exceptions."
        )
        if isinstance(value, str)
        else value
        for key, value in sorted((attributes or {}).items())
    }
