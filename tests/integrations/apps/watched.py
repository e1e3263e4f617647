"""Sentry's ASGI middleware, with a transport that keeps what it would send."""

import logging
from typing import Any

import sentry_sdk
from sentry_sdk.integrations.asgi import SentryAsgiMiddleware
from sentry_sdk.transport import Transport

from covet import CovetPy, HTTPException

sent: list[dict[str, Any]] = []


class Keeping(Transport):
    def capture_envelope(self, envelope: Any) -> None:
        sent.extend(item.payload.json for item in envelope.items if item.type in ("event", "transaction"))


sentry_sdk.init(
    "http://key@127.0.0.1:9/1",
    transport=Keeping,
    traces_sample_rate=1.0,
    auto_enabling_integrations=False,
)


def make() -> CovetPy:
    app = CovetPy()

    @app.get("/fine")
    async def fine() -> str:
        return "fine"

    @app.get("/broken/{number}")
    async def broken(number: int) -> None:
        sentry_sdk.set_tag("number", number)
        logging.getLogger("shop").warning("about to break")
        raise LookupError("nothing here")

    @app.get("/refused")
    async def refused() -> None:
        raise HTTPException(403)

    @app.get("/sent")
    async def all_sent() -> list[dict[str, Any]]:
        return sent

    return app


app = make()
app.add_middleware(SentryAsgiMiddleware)
wrapped = SentryAsgiMiddleware(make())
