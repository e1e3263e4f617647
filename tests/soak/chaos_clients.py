"""The chaos run's clients: they check every byte of every answer, and say what failed and when."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.soak.chaos_content import compact, content, digest, echo, streamed

PATIENCE = 90.0
# What the server says of a request that a worker had begun when it died.
DEATH_NOTICE = compact({"detail": "The worker process ended while it handled this request"})
WAYS_TO_END = ("exit", "segfault", "abort", "kill")
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Failure:
    """A request that failed in a way that the death of workers allows.

    Attributes:
        kind: what became of it.
        deaths: how many workers must have died meanwhile for that.
        since, until: when it was sent and when its end was seen, on the monotonic clock.
    """

    kind: str
    deaths: int
    since: float
    until: float


@dataclass
class Answer:
    """A response; it is not whole if the connection ended within its body."""

    status: int
    body: bytes
    whole: bool = True


@dataclass
class Report:
    """What all clients have seen.

    Attributes:
        counts: the good answers by kind.
        failures: what failed in an allowed way, if workers died at that time.
        faults: what must not happen.
        once: of each request that must not be carried out twice, whether it was answered 200.
    """

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    once: dict[str, bool] = field(default_factory=dict)

    def check(self, kind: str, good: bool) -> None:
        self.counts[kind] += 1
        if not good:
            self.faults[f"{kind}: wrong bytes"] += 1


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """The next response. Raises IncompleteReadError or ConnectionError if there is none."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head.split(b" ", 2)[1])
    pieces: list[bytes] = []
    try:
        if b"transfer-encoding: chunked" in head:
            while size := int(await reader.readuntil(b"\r\n"), 16):
                pieces.append(await reader.readexactly(size))
                await reader.readexactly(2)
            await reader.readexactly(2)
        else:
            length = int(head.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
            while length:
                pieces.append(await reader.readexactly(min(length, 65536)))
                length -= len(pieces[-1])
    except asyncio.IncompleteReadError as error:
        return Answer(status, b"".join(pieces) + error.partial, whole=False)
    except ConnectionError:
        return Answer(status, b"".join(pieces), whole=False)
    return Answer(status, b"".join(pieces))


class Clients:
    """Each method is one client's life, which is repeated.

    Args:
        port: the server's.
        seed: of what they do.
        report: where they note what they see.
    """

    def __init__(self, port: int, seed: int, report: Report) -> None:
        self.port = port
        self.report = report
        self.random = random.Random(seed)
        self.identities = 0

    # ---- tools --------------------------------------------------------------------

    async def open(self) -> Stream:
        return await asyncio.open_connection("127.0.0.1", self.port)

    def request(self, line: str, body: bytes | None = None) -> bytes:
        length = "" if body is None else f"Content-Length: {len(body)}\r\n"
        return f"{line} HTTP/1.1\r\nHost: chaos\r\n{length}\r\n".encode() + (body or b"")

    def failed(self, kind: str, deaths: int, since: float) -> None:
        self.report.failures.append(Failure(kind, deaths, since, time.monotonic()))

    def settle(self, kind: str, answer: Answer, expected: bytes, deaths: int, since: float) -> bool:
        """Notes an answer with a body of a known length; False if a worker's death took its place."""
        if answer.status == 502 and answer.whole and answer.body == DEATH_NOTICE:
            self.failed(f"{kind}: 502", deaths, since)
            return False
        good = answer.whole and answer.status == 200 and answer.body == expected
        self.report.check(kind, good)
        if not good:
            self.report.faults[f"{kind}: {answer.status} {answer.body[:80]!r} whole={answer.whole}"] += 1
        return good

    # ---- small answers --------------------------------------------------------------

    def safe(self) -> tuple[bytes, bytes]:
        """A request that may be repeated, and its answer."""
        number, q = self.random.randrange(10**9), f"v{self.random.randrange(10**9)}"
        kind = self.random.choice(("echo", "echo", "echo", "echo", "wait", "thread"))
        pause = f"&ms={self.random.randint(0, 60)}" if kind != "echo" else ""
        return self.request(f"GET /{kind}/{number}?q={q}{pause}"), compact(echo(number, q))

    def unsafe(self) -> tuple[str, bytes, bytes]:
        """The identity of a request that must not be carried out twice, the request, and its answer."""
        self.identities += 1
        identity = f"{self.identities}-{self.random.randrange(10**9)}"
        self.report.once[identity] = False
        kind = self.random.choice(("POST", "POST", "PATCH", "GET", "thread"))
        body = None if kind == "GET" else content(self.identities, self.random.choice((0, 20, 900, 3000)))
        before, after = self.random.choice((0, 0, 20)), self.random.choice((0, 0, 0, 40))
        if kind == "thread":
            line, seen = f"POST /once-thread/{identity}", b""
        elif kind == "GET":
            line, seen = f"GET /once/{identity}?after={after}", b""
        else:
            line, seen = f"{kind} /once/{identity}?before={before}&after={after}", body or b""
        expected = compact({"identity": identity, "digest": digest(seen)})
        return identity, self.request(line, body), expected

    async def keep_alive(self) -> None:
        reader, writer = await self.open()
        for _ in range(self.random.randint(1, 200)):
            data, expected = self.safe()
            since = time.monotonic()
            writer.write(data)
            self.settle("keep-alive", await read_answer(reader), expected, 2, since)
            await asyncio.sleep(self.random.choice((0, 0, 0.01)))
        writer.close()

    async def once(self) -> None:
        reader, writer = await self.open()
        for _ in range(self.random.randint(1, 100)):
            identity, data, expected = self.unsafe()
            since = time.monotonic()
            writer.write(data)
            self.report.once[identity] = self.settle("once", await read_answer(reader), expected, 1, since)
        writer.close()

    async def pipeline(self) -> None:
        """Many requests at once, of which some must not be repeated."""
        reader, writer = await self.open()
        for _ in range(10):
            batch: list[tuple[str, bytes]] = []
            sent = b""
            for _ in range(self.random.randint(1, 40)):
                if self.random.random() < 0.2:
                    identity, data, expected = self.unsafe()
                else:
                    identity, (data, expected) = "", self.safe()
                sent += data
                batch.append((identity, expected))
            since = time.monotonic()
            writer.write(sent)
            for identity, expected in batch:
                good = self.settle("pipeline", await read_answer(reader), expected, 1 if identity else 2, since)
                if identity:
                    self.report.once[identity] = good
        writer.close()

    async def slow_sender(self) -> None:
        identity, data, expected = self.unsafe()
        reader, writer = await self.open()
        since = time.monotonic()
        at = 0
        while at < len(data):
            n = self.random.randint(1, 1 + len(data) // 20)
            writer.write(data[at : at + n])
            at += n
            await asyncio.sleep(0.01)
        self.report.once[identity] = self.settle("slow sender", await read_answer(reader), expected, 1, since)
        writer.close()

    async def blocking(self) -> None:
        """Has a worker's event loop stand still."""
        await asyncio.sleep(self.random.random() * 6)
        ms = self.random.choice((50, 200, 1000, 2000))
        method, deaths = self.random.choice((("GET", 2), ("POST", 1)))
        reader, writer = await self.open()
        since = time.monotonic()
        writer.write(self.request(f"{method} /block?ms={ms}", b"" if method == "POST" else None))
        self.settle("blocking", await read_answer(reader), compact({"ms": ms}), deaths, since)
        writer.close()

    # ---- much data ------------------------------------------------------------------

    async def download(self) -> None:
        """A whole or streamed answer, read at once or slowly."""
        seed, size = self.random.randrange(10**6), self.random.choice((10, 3_000, 40_000))
        slow = self.random.random() < 0.4
        if self.random.random() < 0.5:
            line, expected = f"GET /bytes/{seed}/{size * 16}", content(seed, size * 16)
        else:
            line = f"GET /stream/{seed}/{size}?ms={self.random.choice((0, 0, 20))}"
            expected = streamed(seed, size)
        reader, writer = await self.open()
        since = time.monotonic()
        writer.write(self.request(line))
        if slow:
            await asyncio.sleep(self.random.random() * 1.5)
        try:
            answer = await read_answer(reader)
        except ConnectionError:
            # A reader that has not begun to read when the connection is reset is given nothing of what came before.
            self.failed("download: cut", 1, since)
            return
        if answer.status == 200 and not answer.whole:
            self.cut("download", answer, expected, since)
        else:
            self.settle("download", answer, expected, 2, since)
        writer.close()

    def cut(self, kind: str, answer: Answer, expected: bytes, since: float) -> None:
        """Notes an answer that ended too early: what came of it must be right."""
        self.failed(f"{kind}: cut", 1, since)
        if not expected.startswith(answer.body):
            self.report.faults[f"{kind}: wrong bytes before the end"] += 1

    async def upload(self) -> None:
        size = self.random.choice((0, 100, 5_000, 70_000, 1_000_000))
        body = content(size + self.random.randrange(1000), size)
        expected = compact({"bytes": size, "digest": digest(body)})
        reader, writer = await self.open()
        since = time.monotonic()
        try:
            await self.send_body(writer, body)
            answer = await read_answer(reader)
        except (ConnectionError, asyncio.IncompleteReadError):
            # The answer may be lost if the connection closes while the body is still sent (RFC 9112, section 9.6).
            self.failed("upload: cut", 1, since)
        else:
            self.settle("upload", answer, expected, 1, since)
        writer.close()

    async def send_body(self, writer: asyncio.StreamWriter, body: bytes) -> None:
        chunked = self.random.random() < 0.5
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
        writer.write(f"POST /digest HTTP/1.1\r\nHost: chaos\r\n{framing}\r\n\r\n".encode())
        pause = self.random.choice((0.0, 0.0, 0.02))
        at = 0
        while at < len(body):
            part = body[at : at + self.random.randint(1, 100_000)]
            at += len(part)
            writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n" if chunked else part)
            await writer.drain()
            if pause:
                await asyncio.sleep(pause)
        if chunked:
            writer.write(b"0\r\n\r\n")
            await writer.drain()

    # ---- trouble ----------------------------------------------------------------------

    async def abort(self) -> None:
        """Goes away in the middle of something."""
        _, writer = await self.open()
        _, once, _ = self.unsafe()
        writer.write(
            self.random.choice(
                (
                    once,
                    once + self.request("GET /wait/1?q=a&ms=200") * 10,
                    self.request("GET /stream/1/40000?ms=50"),
                    self.request("GET /bytes/1/5000000"),
                    self.request("POST /digest", b"x" * 100_000)[:60_000],
                    self.request("GET /block?ms=30"),
                    b"POST /digest HTTP/1.1\r\nHost: chaos\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
                    b"GET /echo/1?q=a HTT",
                )
            )
        )
        await asyncio.sleep(self.random.random() * 0.3)
        writer.transport.abort()
        self.report.counts["abort"] += 1

    async def end_worker(self) -> None:
        """Has a handler end its process: the client must be told, and nobody else harmed."""
        how, seed = self.random.choice(WAYS_TO_END), self.random.randrange(10**6)
        reader, writer = await self.open()
        since = time.monotonic()
        kind = self.random.choice(("POST", "POST", "GET", "GET once", "stream"))
        if kind == "stream":
            writer.write(self.request(f"GET /stream-end/{how}/{seed}/9000"))
            answer = await read_answer(reader)
            self.report.check("ends in a stream", answer.status == 200 and not answer.whole)
            self.cut("ends in a stream", answer, streamed(seed, 9000), since)
        else:
            line = f"GET /end-once/{how}" if kind == "GET once" else f"{kind} /end/{how}"
            writer.write(self.request(line, b"" if kind == "POST" else None))
            answer = await read_answer(reader)
            self.report.check("ends its worker", (answer.status, answer.body) == (502, DEATH_NOTICE))
            self.failed("ends its worker: 502", 2 if kind == "GET" else 1, since)
        writer.close()

    # ---- all of them --------------------------------------------------------------------

    async def live(self, life: Callable[[], Awaitable[None]]) -> None:
        """One client's life, with what it must not be told."""
        try:
            async with asyncio.timeout(PATIENCE):
                await life()
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            self.report.faults[f"{life.__name__}: {error!r}"] += 1
        except TimeoutError:
            self.report.faults[f"{life.__name__}: no answer within {PATIENCE:g} s"] += 1

    async def repeat(self, life: Callable[[], Awaitable[None]], until: float) -> None:
        while time.monotonic() < until:
            await self.live(life)
            await asyncio.sleep(self.random.random() * 0.02)

    async def run(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        lives = [self.keep_alive] * 5 + [self.once] * 5 + [self.pipeline] * 2 + [self.slow_sender] * 2
        lives += [self.download] * 4 + [self.upload] * 3 + [self.abort] * 3 + [self.blocking] * 2
        await asyncio.gather(*(self.repeat(life, until) for life in lives))


def read_records(texts: list[str], report: Report) -> None:
    """Compares what the workers have carried out with what the clients were told."""
    carried_out = Counter(line for text in texts for line in text.splitlines())
    for identity, times in carried_out.items():
        if identity not in report.once:
            report.faults["carried out, though nobody asked for it"] += 1
        elif times > 1:
            report.faults["carried out twice"] += 1
    for identity, answered in report.once.items():
        if answered and identity not in carried_out:
            report.faults["answered 200, but not carried out"] += 1
    report.counts["carried out once"] = sum(times == 1 for times in carried_out.values())
