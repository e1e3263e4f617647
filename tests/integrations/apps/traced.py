"""OpenTelemetry's ASGI instrumentation: as middleware in `app`, around the application in `wrapped`."""

from opentelemetry import trace
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from covet import CovetPy, StreamingResponse

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
tracer = provider.get_tracer("shop")


def make() -> CovetPy:
    app = CovetPy()

    @app.get("/items/{item_id}")
    async def read(item_id: int) -> str:
        with tracer.start_as_current_span("look up"):
            return f"{trace.get_current_span().get_span_context().trace_id:032x}"

    @app.get("/threaded")
    def threaded() -> str:
        with tracer.start_as_current_span("in a thread"):
            return "ok"

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(iter(["a", "b"]))

    @app.get("/broken")
    async def broken() -> None:
        raise LookupError("nothing here")

    @app.get("/spans")
    async def spans() -> list[dict[str, object]]:
        return [
            {
                "name": span.name,
                "kind": span.kind.name,
                "id": f"{span.context.span_id:016x}",
                "trace": f"{span.context.trace_id:032x}",
                "parent": f"{span.parent.span_id:016x}" if span.parent else None,
                "attributes": dict(span.attributes or {}),
                "status": span.status.status_code.name,
            }
            for span in exporter.get_finished_spans()
        ]

    return app


app = make()
app.add_middleware(OpenTelemetryMiddleware, tracer_provider=provider, excluded_urls="spans")
wrapped = OpenTelemetryMiddleware(make(), tracer_provider=provider, excluded_urls="spans")
