"""How exceptions are answered unless an application says otherwise; for handlers that only want to add something."""

from typing import Any

from covet.encoders import encode
from covet.exceptions import HTTPException, RequestValidationError, WebSocketRequestValidationError
from covet.requests import Request
from covet.responses import JSONResponse, Response

BODILESS = frozenset({204, 205, 304})
POLICY_VIOLATION = 1008
LONGEST_REASON = 123
"""Bytes that a close frame has for its reason (RFC 6455, section 5.5)."""


async def http_exception_handler(request: Request, exc: HTTPException) -> Response:
    """Answers an HTTPException with its status and headers, and its detail as JSON.

    Args:
        request: the request; it is not looked at.
        exc: ours or another framework's, such as starlette.exceptions.HTTPException.
    """
    headers = getattr(exc, "headers", None)
    if exc.status_code < 200 or exc.status_code in BODILESS:
        return Response(status_code=exc.status_code, headers=headers)
    return JSONResponse({"detail": exc.detail}, exc.status_code, headers)


async def request_validation_exception_handler(request: Request, exc: RequestValidationError) -> JSONResponse:
    """Answers parameters that do not fit with 422 and a list of what is wrong.

    Args:
        request: the request; it is not looked at.
        exc: what is wrong.
    """
    return JSONResponse({"detail": exc.errors()}, 422)


async def websocket_request_validation_exception_handler(websocket: Any, exc: WebSocketRequestValidationError) -> None:
    """Closes a WebSocket whose parameters do not fit, with code 1008 and what is wrong as JSON, as far as it fits in.

    Args:
        websocket: the connection.
        exc: what is wrong.
    """
    reason = encode(exc.errors())[:LONGEST_REASON].decode("utf-8", "ignore")
    await websocket.close(code=POLICY_VIOLATION, reason=reason)
