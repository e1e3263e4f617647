"""Clients for tests, which call an application in memory: no sockets, no server."""

from covet.exceptions import WebSocketDisconnect as WebSocketDisconnect
from covet.testing.async_client import AsyncTestClient as AsyncTestClient
from covet.testing.client import TestClient as TestClient
from covet.testing.websockets import AsyncWebSocketTestSession as AsyncWebSocketTestSession
from covet.testing.websockets import WebSocketDenialResponse as WebSocketDenialResponse
from covet.testing.websockets import WebSocketTestSession as WebSocketTestSession

__all__ = [
    "AsyncTestClient",
    "AsyncWebSocketTestSession",
    "TestClient",
    "WebSocketDenialResponse",
    "WebSocketDisconnect",
    "WebSocketTestSession",
]
