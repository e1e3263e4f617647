"""The same applications under FastAPI and under CovetPy: the same requests get the same answers."""

import asyncio
import warnings
from importlib import import_module
from typing import Any

import httpx
import pytest

from .frameworks import framework

AREAS = ("parameters", "bodies", "dependencies", "responses", "routers")
HEADERS = ("content-type", "location", "www-authenticate", "allow", "set-cookie", "x-kind", "x-process", "x-more")
BASE = "http://testserver"


async def answers(app: Any, requests: list[tuple[str, dict[str, Any]]]) -> list[tuple[int, dict[str, Any], Any]]:
    found = []
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        for target, options in requests:
            more = dict(options)
            response = await client.request(more.pop("method", "GET"), target, **more)
            headers = {name: response.headers.get_list(name) for name in HEADERS if name in response.headers}
            found.append((response.status_code, headers, response.content))
    return found


def described(request: tuple[str, dict[str, Any]]) -> str:
    return f"{request[1].get('method', 'GET')} {request[0]} {({k: v for k, v in request[1].items() if k != 'method'})}"


@pytest.mark.parametrize("area", AREAS)
def test_same_answers(area: str) -> None:
    module = import_module(f".{area}", __package__)
    requests = module.REQUESTS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = asyncio.run(answers(module.build(framework("fastapi")), requests))
        ours = asyncio.run(answers(module.build(framework("covet")), requests))
    different = [
        f"{described(request)}\n   fastapi: {their}\n   covet:   {our}"
        for request, their, our in zip(requests, theirs, ours, strict=True)
        if their != our
    ]
    assert not different, f"{len(different)} of {len(requests)}:\n" + "\n".join(different[:40])


def test_there_are_enough_routes() -> None:
    count = 0
    for area in AREAS:
        app = import_module(f".{area}", __package__).build(framework("covet"))
        count += sum(1 for route in app.routes if not route.path.startswith(("/docs", "/redoc", "/scalar", "/openapi")))
    assert count >= 150
