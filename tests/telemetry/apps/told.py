"""An application that shows what it has told OpenTelemetry; the providers are global ones, set at the start."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import opentelemetry.sdk.trace  # noqa: F401 - that it is loaded is why there is telemetry
from opentelemetry import _logs, metrics, trace

from covet import CovetPy
from telemetry import shop
from telemetry.recorded import Recorder

recorder = Recorder()


@asynccontextmanager
async def lifespan(_: CovetPy) -> AsyncIterator[None]:
    trace.set_tracer_provider(recorder.tracer_provider)
    metrics.set_meter_provider(recorder.meter_provider)
    _logs.set_logger_provider(recorder.logger_provider)
    yield


def exclude(scope: Any) -> bool:
    return bool(scope["path"] == "/told")


app = shop.make("covet", {"exclude": exclude}, lifespan=lifespan)


@app.get("/told")
def told() -> Any:
    return recorder.told()


@app.get("/slow", cancel_on_disconnect=True)
async def slow() -> None:
    await asyncio.sleep(60)
