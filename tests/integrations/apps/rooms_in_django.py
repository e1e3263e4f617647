"""Django with Channels: a page, an echo, and rooms whose members get what anyone in them sends."""

from __future__ import annotations

from typing import Any

import django
from channels.generic.websocket import AsyncJsonWebsocketConsumer, WebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="for tests",
    INSTALLED_APPS=["channels"],
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
)
django.setup(set_prefix=False)


class Echo(WebsocketConsumer):
    """Runs in threads, as all synchronous consumers."""

    def connect(self) -> None:
        protocols = self.scope["subprotocols"]
        if "refused" in protocols:
            self.close()
        else:
            self.accept(protocols[0] if protocols else None)

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if text_data == "bye":
            self.close(4001, "as asked")
        else:
            self.send(text_data, bytes_data)


class Room(AsyncJsonWebsocketConsumer):
    async def connect(self) -> None:
        self.room = self.scope["url_route"]["kwargs"]["name"]
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.accept()
        await self.send_json({"joined": self.room, "path": self.scope["path"]})

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(self.room, self.channel_name)
        await self.channel_layer.group_send(self.room, {"type": "said", "content": {"left": code}})

    async def receive_json(self, content: Any, **_: Any) -> None:
        await self.channel_layer.group_send(self.room, {"type": "said", "content": content})

    async def said(self, event: dict[str, Any]) -> None:
        await self.send_json(event["content"])


def page(request: HttpRequest, name: str) -> HttpResponse:
    return JsonResponse({"room": name, "method": request.method, "size": len(request.body)})


urlpatterns = [path("rooms/<slug:name>", page)]
sockets = [path("ws/echo", Echo.as_asgi()), path("ws/rooms/<slug:name>", Room.as_asgi())]
app = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": URLRouter(sockets)})
