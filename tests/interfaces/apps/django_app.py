"""A Django project in one module: `asgi` and `wsgi` are its two faces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="for tests",
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    DATA_UPLOAD_MAX_MEMORY_SIZE=None,
)
django.setup(set_prefix=False)


def where(request: HttpRequest) -> HttpResponse:
    return JsonResponse(
        {"method": request.method, "path": request.path, "q": request.GET.get("q"), "host": request.get_host()}
    )


def upload(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"size": len(request.body)})


def form(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"name": request.POST["name"], "size": request.FILES["file"].size})


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def parts() -> Iterator[bytes]:
        for number in range(3):
            yield b"%d\n" % number

    return StreamingHttpResponse(parts())


def error(request: HttpRequest) -> Any:
    raise LookupError("nowhere")


urlpatterns = [
    path("where/<slug:name>", lambda request, name: where(request)),
    path("upload", upload),
    path("form", form),
    path("stream", stream),
    path("error", error),
]
asgi = ASGIHandler()
wsgi = WSGIHandler()
