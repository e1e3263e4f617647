"""Clients that people use, against both event loops."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import httpx
import pytest

from .harness import Server
from .support import LIMIT

DATA = bytes(range(256)) * 4096
DIGEST = {"bytes": len(DATA), "sha256": hashlib.sha256(DATA).hexdigest()}
FLOW = b"0123456789abcdef" * 1024 * 100


def pieces(size: int = 10_000) -> Iterator[bytes]:
    for at in range(0, len(DATA), size):
        yield DATA[at : at + size]


async def async_pieces() -> AsyncIterator[bytes]:
    for piece in pieces():
        yield piece


# ---- httpx ----------------------------------------------------------------------


def test_httpx(server: Server) -> None:
    with httpx.Client(base_url=server.url, timeout=LIMIT) as client:
        assert client.get("/").json() == {"hello": "world"}
        assert client.get("/items/5", params={"q": "ü &"}).json() == {"item_id": 5, "q": "ü &"}
        assert client.get("/items/x").status_code == 422
        assert client.head("/head").status_code == 200
        assert client.get("/nothing").json() == {"detail": "Not Found"}
        assert client.post("/digest", content=DATA).json() == DIGEST
        assert client.post("/digest", content=pieces()).json() == DIGEST
        with client.stream("GET", "/flow/100") as response:
            assert b"".join(response.iter_bytes()) == FLOW
        with client.stream("GET", "/stream") as response:
            assert response.headers["transfer-encoding"] == "chunked"
            assert "".join(response.iter_text()) == "one two three "


def test_httpx_keeps_its_connection(server: Server) -> None:
    with httpx.Client(base_url=server.url, timeout=LIMIT, limits=httpx.Limits(max_connections=1)) as client:
        ports = set()
        for _ in range(50):
            response = client.get("/")
            ports.add(response.extensions["network_stream"].get_extra_info("client_addr")[1])
    assert len(ports) == 1


def test_httpx_asynchronous(server: Server) -> None:
    async def run() -> None:
        async with httpx.AsyncClient(base_url=server.url, timeout=LIMIT) as client:
            answers = await asyncio.gather(*(client.get(f"/items/{n}") for n in range(100)))
            assert [a.json()["item_id"] for a in answers] == list(range(100))
            assert (await client.post("/digest", content=async_pieces())).json() == DIGEST
            async with client.stream("GET", "/flow/100") as response:
                assert b"".join([piece async for piece in response.aiter_bytes()]) == FLOW

    asyncio.run(run())


# ---- aiohttp ----------------------------------------------------------------------


def test_aiohttp(server: Server) -> None:
    async def run() -> None:
        timeout = aiohttp.ClientTimeout(total=LIMIT)
        async with aiohttp.ClientSession(server.url, timeout=timeout) as client:

            async def item(n: int) -> int:
                async with client.get(f"/items/{n}", params={"q": "x"}) as response:
                    return int((await response.json())["item_id"])

            assert await asyncio.gather(*map(item, range(100))) == list(range(100))
            async with client.post("/digest", data=DATA) as response:
                assert await response.json() == DIGEST
            async with client.post("/digest", data=async_pieces()) as response:
                assert await response.json() == DIGEST
            async with client.post("/digest", data=DATA, expect100=True) as response:
                assert await response.json() == DIGEST
            async with client.get("/flow/100") as response:
                assert await response.read() == FLOW
            async with client.get("/slow") as response:
                assert await response.json() == {"slow": True}

    asyncio.run(run())


# ---- http.client --------------------------------------------------------------------


def test_http_client(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=LIMIT)
    for n in range(20):
        connection.request("GET", f"/items/{n}")
        assert json.load(connection.getresponse())["item_id"] == n
    sock = connection.sock
    connection.request("POST", "/digest", pieces(), encode_chunked=True)
    assert json.load(connection.getresponse()) == DIGEST
    connection.request("POST", "/digest", DATA)
    assert json.load(connection.getresponse()) == DIGEST
    connection.request("HEAD", "/head")
    response = connection.getresponse()
    assert response.read() == b"" and int(response.headers["content-length"]) == 21
    connection.request("GET", "/flow/100")
    assert connection.getresponse().read() == FLOW
    connection.request("GET", "/empty")
    assert connection.getresponse().status == 204
    assert connection.sock is sock, "the connection was not kept"
    connection.close()


# ---- curl -----------------------------------------------------------------------------


def curl(*arguments: str) -> str:
    command = ["curl", "-sS", "--max-time", str(LIMIT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=2 * LIMIT).stdout


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@needs_curl
def test_curl(server: Server) -> None:
    answer = curl("-i", server.url + "/items/5?q=tea")
    assert answer.startswith("HTTP/1.1 200 OK\n")  # subprocess has translated the line ends
    assert answer.endswith('\n\n{"item_id":5,"q":"tea"}')
    assert curl("-I", server.url + "/head").startswith("HTTP/1.1 200 OK")
    twice = [server.url + "/", server.url + "/ping"]
    assert curl("-w", "[%{num_connects}]", *twice) == '{"hello":"world"}[1]pong[0]'


@needs_curl
@pytest.mark.parametrize("path", ["/", "/ping", "/stream", "/flow/100"])
def test_curl_http_1_0(server: Server, path: str) -> None:
    answer = curl("-i", "--http1.0", server.url + path)
    assert "chunked" not in answer
    assert answer.partition("\n\n")[2] == curl(server.url + path)


@needs_curl
@pytest.mark.parametrize("options", [[], ["-H", "Transfer-Encoding: chunked"], ["--http1.0"]])
def test_curl_uploads_a_file(server: Server, tmp_path: Path, options: list[str]) -> None:
    path = tmp_path / "data"
    path.write_bytes(DATA)
    assert json.loads(curl(*options, "-X", "POST", "-T", str(path), server.url + "/digest")) == DIGEST


@needs_curl
def test_curl_waits_for_100_continue(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(DATA)
    # Without the interim answer, curl would not send the body before its own time limit ends the test.
    wait = ["-H", "Expect: 100-continue", "--expect100-timeout", "60"]
    answer = curl("-i", *wait, "-X", "POST", "-T", str(path), server.url + "/digest")
    assert answer.startswith("HTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\n")
    assert json.loads(answer.rpartition("\n\n")[2]) == DIGEST
    answer = curl("-i", *wait, "-X", "POST", "-T", str(path), server.url + "/ignore")
    assert answer.startswith("HTTP/1.1 200 OK\n")


# ---- wrk --------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
@pytest.mark.parametrize("path", ["/items/5?q=x", "/ping", "/blocking", "/stream", "/bytes/100000", "/slow?ms=1"])
def test_wrk_sees_no_errors(server: Server, path: str) -> None:
    command = ["wrk", "-t1", "-c32", "-d1s", "--timeout", "10s", server.url + path]
    report = subprocess.run(command, check=True, capture_output=True, text=True, timeout=4 * LIMIT).stdout
    found = re.search(r"(\d+) requests in", report)
    assert found is not None and int(found[1]) > 0, report
    assert "Socket errors" not in report and "Non-2xx" not in report, report
