"""Two minutes of mixed traffic, after which the server must be as it was.

Run it with `make soak`. It starts a server, sends it good, slow, broken and
aborted traffic at once, and then compares memory, descriptors, exchange slots
and arena blocks with their figures before.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.wire.harness import Server, serve

CASES = tomllib.loads((Path(__file__).parents[1] / "wire" / "cases.toml").read_text("utf-8"))["case"]
PATTERN = bytes(i % 251 for i in range(251))
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Soak:
    """The traffic makers; each runs one client's life once and is repeated."""

    def __init__(self, port: int, seed: int) -> None:
        self.port = port
        self.random = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []

    async def open(self) -> Stream:
        return await asyncio.wait_for(asyncio.open_connection("127.0.0.1", self.port), 10)

    async def answer(self, reader: asyncio.StreamReader) -> tuple[int, bytes]:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        status = int(head.split(b" ", 2)[1])
        lower = head.lower()
        if b"transfer-encoding: chunked" in lower:
            body = b""
            while True:
                size = int(await reader.readuntil(b"\r\n"), 16)
                body += await reader.readexactly(size)
                await reader.readexactly(2)
                if size == 0:
                    return status, body
        length = int(lower.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
        return status, await asyncio.wait_for(reader.readexactly(length), 30)

    def check(self, what: str, good: bool) -> None:
        self.counts[what] += 1
        if not good:
            self.faults.append(what)

    async def keep_alive(self) -> None:
        reader, writer = await self.open()
        for _ in range(self.random.randint(1, 200)):
            n = self.random.randint(0, 10**9)
            writer.write(f"GET /items/{n}?q=v{n} HTTP/1.1\r\nHost: soak\r\n\r\n".encode())
            status, body = await self.answer(reader)
            self.check("keep-alive", status == 200 and json.loads(body) == {"item_id": n, "q": f"v{n}"})
        writer.close()

    async def pipeline(self) -> None:
        reader, writer = await self.open()
        for _ in range(20):
            numbers = [self.random.randint(0, 10**9) for _ in range(self.random.randint(1, 100))]
            writer.write(b"".join(f"GET /items/{n} HTTP/1.1\r\nHost: soak\r\n\r\n".encode() for n in numbers))
            for n in numbers:
                status, body = await self.answer(reader)
                self.check("pipeline", status == 200 and json.loads(body)["item_id"] == n)
        writer.close()

    async def upload(self) -> None:
        reader, writer = await self.open()
        size = self.random.choice([0, 1, 100, 5_000, 70_000, 1_000_000])
        body = (PATTERN * (size // 251 + 1))[:size]
        if self.random.random() < 0.5:
            writer.write(f"POST /echo HTTP/1.1\r\nHost: soak\r\nContent-Length: {size}\r\n\r\n".encode() + body)
        else:
            writer.write(b"POST /echo HTTP/1.1\r\nHost: soak\r\nTransfer-Encoding: chunked\r\n\r\n")
            at = 0
            while at < size:
                n = min(self.random.randint(1, 50_000), size - at)
                writer.write(f"{n:x}\r\n".encode() + body[at : at + n] + b"\r\n")
                at += n
            writer.write(b"0\r\n\r\n")
        status, back = await self.answer(reader)
        self.check("upload", status == 200 and back == body)
        writer.close()

    async def download(self) -> None:
        reader, writer = await self.open()
        count = self.random.choice([0, 10, 3_000, 100_000, 1_000_000])
        writer.write(f"GET /bytes/{count} HTTP/1.1\r\nHost: soak\r\n\r\n".encode())
        status, body = await self.answer(reader)
        good = body == PATTERN * (count // 251) + b"x" * (count % 251)
        self.check("download", status == 200 and good)
        writer.close()

    async def slow_reader(self) -> None:
        reader, writer = await self.open()
        writer.write(b"GET /flow/64 HTTP/1.1\r\nHost: soak\r\n\r\n")
        await asyncio.sleep(self.random.random())
        status, body = await self.answer(reader)
        self.check("slow reader", status == 200 and body == b"0123456789abcdef" * 1024 * 64)
        writer.close()

    async def slow_sender(self) -> None:
        reader, writer = await self.open()
        for byte in b"GET /items/1 HTTP/1.1\r\nHost: soak\r\n\r\n":
            writer.write(bytes([byte]))
            await asyncio.sleep(0.01)
        status, _ = await self.answer(reader)
        self.check("slow sender", status == 200)
        writer.close()

    async def abort(self) -> None:
        """Goes away in the middle of something."""
        _, writer = await self.open()
        writer.write(
            self.random.choice(
                [
                    b"GET /forever HTTP/1.1\r\nHost: soak\r\n\r\n",
                    b"GET /hang HTTP/1.1\r\nHost: soak\r\n\r\n",
                    b"GET /slow?ms=200 HTTP/1.1\r\nHost: soak\r\n\r\n" * 10,
                    b"GET /flow/1000 HTTP/1.1\r\nHost: soak\r\n\r\n",
                    b"POST /echo HTTP/1.1\r\nHost: soak\r\nContent-Length: 100000\r\n\r\n" + b"x" * 5000,
                    b"POST /digest HTTP/1.1\r\nHost: soak\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
                    b"GET / HTT",
                ]
            )
        )
        await asyncio.sleep(self.random.random() * 0.3)
        writer.transport.abort()
        self.counts["abort"] += 1

    async def malformed(self) -> None:
        case = self.random.choice(CASES)
        reader, writer = await self.open()
        data = case["send"].encode("latin-1")
        if self.random.random() < 0.5 and data:  # and sometimes damaged further
            at = self.random.randrange(len(data))
            data = data[:at] + bytes([self.random.randrange(256)]) + data[at + 1 :]
        writer.write(data)
        writer.write_eof()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(reader.read(-1), 0.5)
        writer.close()
        self.counts["malformed"] += 1

    async def repeat(self, life: Callable[[], Awaitable[None]], until: float) -> None:
        while time.monotonic() < until:
            try:
                await asyncio.wait_for(life(), 60)
            except (ConnectionError, asyncio.IncompleteReadError) as error:
                if life.__name__ not in ("malformed", "abort"):
                    self.faults.append(f"{life.__name__}: {error!r}")
            except TimeoutError:
                self.faults.append(f"{life.__name__}: no answer in time")

    async def run(self, seconds: float, only: str = "") -> None:
        until = time.monotonic() + seconds
        lives = [self.keep_alive] * 8 + [self.pipeline] * 2 + [self.upload] * 3 + [self.download] * 3
        lives += [self.slow_reader] * 3 + [self.slow_sender] * 3 + [self.abort] * 6 + [self.malformed] * 4
        lives = [life for life in lives if only in life.__name__]
        await asyncio.gather(*(self.repeat(life, until) for life in lives))


def figures(server: Server) -> dict[str, int]:
    """What the server holds, read from outside and from its own status."""
    pid = server.process.pid
    status = Path(f"/proc/{pid}/status").read_text()
    rss = int(status.split("VmRSS:", 1)[1].split(None, 1)[0])
    engine = asyncio.run(read_status(server.port))
    return {
        "rss_kb": rss,
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "slots": engine["slots_in_use"] - 1,  # the status request itself
        "blocks": engine["blocks_in_use"],
        "connections": engine["connections"] - 1,
    }


async def read_status(port: int) -> dict[str, int]:
    soak = Soak(port, 0)
    reader, writer = await soak.open()
    writer.write(b"GET /status HTTP/1.1\r\nHost: soak\r\nConnection: close\r\n\r\n")
    _, body = await soak.answer(reader)
    writer.close()
    found: dict[str, int] = json.loads(body)
    return found


def settle(server: Server, descriptors: int = 1 << 30, seconds: float = 15.0) -> dict[str, int]:
    """Waits until the aborted exchanges and their connections have ended."""
    deadline = time.monotonic() + seconds
    while True:
        now = figures(server)
        quiet = (now["slots"], now["blocks"], now["connections"]) == (0, 0, 0) and now["descriptors"] <= descriptors
        if quiet or time.monotonic() > deadline:
            return now
        time.sleep(0.25)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--epoll", action="store_true", help="use the epoll loop")
    parser.add_argument("--only", default="", help="only the traffic with this in its name")
    options = parser.parse_args()
    env = {"WIRE_BACKEND": "epoll" if options.epoll else "io_uring"}
    with serve(command=[sys.executable, str(Path(__file__).with_name("server.py"))], env=env) as server:
        soak = Soak(server.port, options.seed)
        asyncio.run(soak.run(min(10.0, options.seconds / 4), options.only))  # warm: pools and caches are filled
        before = settle(server)
        asyncio.run(soak.run(options.seconds, options.only))
        after = settle(server, before["descriptors"])
    print("seed", options.seed, "counts", dict(soak.counts))
    print("before", before)
    print("after ", after)
    faults = Counter(soak.faults)
    for key in ("slots", "blocks", "connections"):
        if after[key] != 0:
            faults[f"{key} in use after the traffic: {after[key]}"] += 1
    if after["descriptors"] > before["descriptors"]:
        faults["descriptors leaked"] += 1
    if after["rss_kb"] > before["rss_kb"] * 1.15 + 8192:
        faults["memory grew"] += 1
    for fault, times in faults.items():
        print(f"FAULT x{times}: {fault}")
    print("soak passed" if not faults else "soak FAILED")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
