"""What is known of the request, or the WebSocket, that is being answered."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry._logs import Logger
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

    from covet.requests import Request
    from covet.websockets import WebSocket

CONTEXT_KEY = "covet.telemetry"
"""Where OpenTelemetry's context has a RequestTelemetry; None within a request that is excluded."""
SCOPE_KEY = "covet.telemetry"
"""Where an ASGI scope has it, so that a mounted application does not begin another one."""


@dataclass(kw_only=True)
class TelemetryData:
    """What is known of a request, for OpenTelemetry's processors.

    It is filled in while the request is answered, and is to be read only. Nothing of it is exported by itself.

    Attributes:
        request: the request, from the time on when its handler is sought out.
        websocket: the WebSocket, likewise.
        body: the body, as it was read, before validation.
        values: what the handler is called with, after its dependencies.
        errors: what is wrong with the request, with the values that are wrong.
    """

    request: "Request | None" = None
    websocket: "WebSocket | None" = None
    body: Any = None
    values: dict[str, Any] | None = None
    errors: Sequence[Any] | None = None


@dataclass(kw_only=True)
class RequestTelemetry:
    """The telemetry of one request or WebSocket.

    Attributes:
        span: the server's span, if there are spans.
        span_method: what the span's name begins with.
        tracer: makes spans of operations, if they are wanted.
        logger: takes records, if they are wanted.
        mount_prefix: the paths of the mounts that the request has come through.
        route: the pattern of the path that the request matches.
        status_code: the status of the response.
        data: for processors; None when the request is over.
        exceptions: what nobody has handled, in order.
    """

    span: "Span | None"
    span_method: str
    tracer: "Tracer | None" = None
    logger: "Logger | None" = None
    mount_prefix: str = ""
    route: str | None = None
    status_code: int | None = None
    data: TelemetryData | None = field(default_factory=TelemetryData)
    exceptions: list[BaseException] = field(default_factory=list, repr=False)


def current(context: "Context | None" = None) -> RequestTelemetry | None:
    """The telemetry of the request that a context of OpenTelemetry belongs to; by default the current one."""
    from opentelemetry.context import get_value

    value = get_value(CONTEXT_KEY, context)
    return value if isinstance(value, RequestTelemetry) else None


def get_telemetry_data(context: "Context | None" = None) -> TelemetryData | None:
    """What is known of the request that is being answered; None outside of one, and after its end.

    Args:
        context: one of OpenTelemetry's, such as a log record's `context`; by default the current one.

    Raises:
        ImportError: the package opentelemetry-api is not installed.
    """
    telemetry = current(context)
    return None if telemetry is None else telemetry.data
