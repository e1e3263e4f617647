"""The same applications under FastAPI and under CovetPy: the same requests get the same answers."""

import asyncio
import re
import warnings
from importlib import import_module
from typing import Any

import httpx
import pytest

from .frameworks import framework

AREAS = ("parameters", "bodies", "dependencies", "forms", "responses", "routers")
HEADERS = ("content-type", "location", "www-authenticate", "allow", "set-cookie", "x-kind", "x-process", "x-more")
BASE = "http://testserver"
DATE = re.compile(r"(?<=expires=)\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT")


Answer = tuple[int, dict[str, Any], bytes]


async def answers(app: Any, requests: list[tuple[str, dict[str, Any]]], root_path: str = "") -> list[Answer]:
    found = []
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, root_path=root_path)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        for target, options in requests:
            more = dict(options)
            response = await client.request(more.pop("method", "GET"), target, **more)
            headers = {name: response.headers.get_list(name) for name in HEADERS if name in response.headers}
            # Whoever is asked a second later deletes a cookie a second later.
            headers = {name: [DATE.sub("now", value) for value in values] for name, values in headers.items()}
            found.append((response.status_code, headers, response.content))
    return found


def meant(request: tuple[str, dict[str, Any]], their: Answer, our: Answer) -> bool:
    """Whether a difference is one of those in docs/differences.md."""
    target, options = request
    if "%2F" in target:
        return their[0] == 404  # an encoded slash is a part of a segment
    if options.get("content") == b"NaN" or "nan" in target:
        return their[0] == 500  # JSON has no NaN
    if our[0] in (204, 304) and our[0] == their[0]:
        return our[1].get("content-type") is None  # there is no content
    if our[0] == their[0] == 405:
        return our[1]["allow"] == [", ".join(sorted(their[1]["allow"][0].split(", ")))]
    if target.startswith("/request/"):
        return our[2].replace(b"%20", b" ") == their[2]  # addresses are encoded
    if target.startswith("/q/span"):
        return our[0] == their[0] == 422  # words about durations
    return False


def described(request: tuple[str, dict[str, Any]]) -> str:
    return (
        f"{request[1].get('method', 'GET')} {request[0]} { ({k: v for k, v in request[1].items() if k != 'method'}) }"
    )


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
        if their != our and not meant(request, their, our)
    ]
    assert not different, f"{len(different)} of {len(requests)}:\n" + "\n".join(different[:40])


def test_there_are_enough_routes() -> None:
    count = 0
    for area in AREAS:
        app = import_module(f".{area}", __package__).build(framework("covet"))
        count += sum(1 for route in app.routes if not route.path.startswith(("/docs", "/redoc", "/scalar", "/openapi")))
    assert count >= 150
