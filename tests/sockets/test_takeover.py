"""Compressed messages that refer to those before them (RFC 7692, section 7.1.1): `ws_context_takeover`."""

from __future__ import annotations

import os
import re
import signal
import time
import zlib
from collections.abc import Iterator
from random import Random

import pytest
from serving import Server, served
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, PerMessageDeflate
from websockets.sync.client import ClientConnection
from workers.harness import supervised

from sockets import LOOPS
from sockets.conftest import HERE
from sockets.raw import Raw
from sockets.test_autobahn_compression import COMPRESSED, agreed, samples
from sockets.test_autobahn_frames import BINARY, CLOSE, PING, PONG, TEXT, closing
from sockets.test_engine import WAIT, closed, get, open_at
from sockets.test_life import memory_of

TAKEOVER = "--ws-context-takeover"


@pytest.fixture(scope="module", params=list(LOOPS))
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server with one worker that agrees to context takeover."""
    with served("app:app", app_dir=HERE, options=[TAKEOVER, *LOOPS[request.param]]) as running:
        yield running


def opened(server: Server, path: str = "/echo", **parameters: bool | int) -> ClientConnection:
    """A connection whose client offers compression with these parameters."""
    return open_at(server, path, compression=None, extensions=[ClientPerMessageDeflateFactory(**parameters)])


def extension(client: ClientConnection) -> PerMessageDeflate:
    (found,) = client.protocol.extensions
    assert isinstance(found, PerMessageDeflate)
    return found


class Deflating(Raw):
    """A client that compresses with one window in each direction, as far as it is agreed on.

    Args:
        port: the server's.
        path: what is asked for.
        offer: the extension that is offered.
    """

    def __init__(self, port: int, path: str, offer: str) -> None:
        super().__init__(port, path, offer)
        self.agreed = agreed(self) or ""
        found = re.search(r"server_max_window_bits=(\d+)", self.agreed)
        asked = re.search(r"client_max_window_bits=(\d+)", self.agreed)
        self._packer = zlib.compressobj(6, zlib.DEFLATED, -max(9, int(asked[1]) if asked else 15))
        self._unpacker = zlib.decompressobj(-(int(found[1]) if found else 15))

    def pack(self, data: bytes) -> bytes:
        return (self._packer.compress(data) + self._packer.flush(zlib.Z_SYNC_FLUSH))[:-4]

    def receive(self) -> tuple[bytes, int]:
        """The next message, and its bytes on the wire."""
        fin, kind, payload = self.frame()
        size, small = len(payload), bool(kind & COMPRESSED)
        while not fin:
            fin, kind, more = self.frame()
            payload += more
        return (self._unpacker.decompress(payload + b"\x00\x00\xff\xff") if small else payload), size


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        ("", ""),
        ("; client_max_window_bits", ""),
        ("; client_max_window_bits=10", "; client_max_window_bits=10"),
        ("; server_max_window_bits=9", "; server_max_window_bits=9"),
        ("; server_no_context_takeover", "; server_no_context_takeover"),
        ("; client_no_context_takeover", "; client_no_context_takeover"),
    ],
)
def test_what_is_agreed_on(server: Server, offer: str, answer: str) -> None:
    with Raw(server.port, extensions="permessage-deflate" + offer) as client:
        assert agreed(client) == "permessage-deflate" + answer


def test_without_the_setting_nothing_is_taken_over() -> None:
    with served("app:app", app_dir=HERE, options=["--no-ws-context-takeover"]) as server, opened(server) as client:
        assert extension(client).remote_no_context_takeover
        assert extension(client).local_no_context_takeover


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"client_max_window_bits": True},
        {"server_max_window_bits": 9},
        {"client_max_window_bits": 9, "server_max_window_bits": 12},
        {"server_no_context_takeover": True},
        {"client_no_context_takeover": True},
    ],
    ids=lambda parameters: "+".join(parameters) or "nothing",
)
def test_conversations_with_a_foreign_client(server: Server, parameters: dict[str, bool | int]) -> None:
    random = Random(1)
    with opened(server, **parameters) as client:
        both = extension(client)
        assert both.remote_no_context_takeover == parameters.get("server_no_context_takeover", False)
        assert both.local_no_context_takeover == parameters.get("client_no_context_takeover", False)
        for size in (10, 70, 500, 5000, 30_000, 70_000, 300_000, 500) * 3:
            for data in samples(size):
                message = data.decode() if random.random() < 0.5 else data
                if random.random() < 0.3:
                    half = len(message) // 2
                    client.send([message[:half], message[half:]])
                else:
                    client.send(message)
                assert client.recv(WAIT) == message


@pytest.mark.parametrize("bits", range(8, 16))
def test_small_windows(server: Server, bits: int) -> None:
    """What is compressed, what is not, fragments and pings between them: both windows stay the same."""
    offer = f"permessage-deflate; server_max_window_bits={bits}; client_max_window_bits={max(9, bits)}"
    random = Random(bits)
    with Deflating(server.port, "/echo", offer) as client:
        assert "no_context_takeover" not in client.agreed
        for _ in range(60):
            data = random.choice(samples(random.choice([30, 300, 3000, 30_000])))
            if random.random() < 0.3:
                client.send(BINARY, data)
            else:
                small = client.pack(data)
                at = random.randrange(len(small))
                client.send(BINARY, small[:at], fin=False, rsv=4)
                client.send(PING, b"between")
                client.send(0, small[at:])
                assert client.frame() == (True, PONG, b"between")
            assert client.receive()[0] == data


def test_it_pays(server: Server) -> None:
    with Deflating(server.port, "/echo", "permessage-deflate") as client:
        sizes = []
        for _ in range(3):
            data = b"".join(b'{"key":"%s"},' % os.urandom(8).hex().encode() for _ in range(60))
            for _ in range(2):
                client.send(TEXT, client.pack(data), rsv=4)
                back, size = client.receive()
                assert back == data
                sizes.append(size)
        assert all(again < first / 10 for first, again in zip(sizes[::2], sizes[1::2], strict=True))


def test_topics(server: Server) -> None:
    """What is published is compressed once, and later messages of each subscriber refer to it."""
    offers = [
        "permessage-deflate",
        "permessage-deflate; server_max_window_bits=10",
        "permessage-deflate; server_no_context_takeover",
        "",
    ]
    clients = [Deflating(server.port, "/room/told", offer) for offer in offers]
    for client in clients:
        assert b"pid" in client.receive()[0]
    own = b"the same text, again and again: " + samples(300)[1]
    sizes: dict[int, list[int]] = {n: [] for n in range(len(clients))}
    for _ in range(4):
        get(server, "/publish/told?size=5000", "POST")
        get(server, "/publish/told?size=300000&binary=true", "POST")
        clients[0].send(TEXT, own)
        for n, client in enumerate(clients):
            assert client.receive()[0] == b"x" * 5000
            assert client.receive()[0] == bytes(300_000)
            data, size = client.receive()
            assert data == own
            sizes[n].append(size)
    assert len(set(sizes[0])) == 1  # it refers to no message before it
    for client in clients:
        client.close()


def test_messages_that_are_too_large() -> None:
    with (
        served("app:app", app_dir=HERE, options=[TAKEOVER, "--ws-max-size", "100KB"]) as server,
        opened(server) as client,
    ):
        for _ in range(3):
            client.send(b"x" * 102_400)
            assert client.recv(WAIT) == b"x" * 102_400
        client.send(b"x" * 102_401)
        assert closed(client)[0] == 1009


def test_a_reference_to_nothing(server: Server) -> None:
    with Raw(server.port, extensions="permessage-deflate") as client:
        client.send(TEXT, b"\xf2\x00\x11\x00\x00", rsv=4)
        assert [(kind, payload[:2]) for _, kind, payload in client.frames()] == [(CLOSE, closing(1007))]


def test_windows_end_with_their_connections() -> None:
    """Those that a client closes, those that it leaves, and those whose worker is killed."""
    with supervised(app_dir=str(HERE), workers=1, ws_context_takeover=True) as server:
        random, sizes = Random(2), []
        for turn in range(8):
            clients = [Deflating(server.port, "/echo", "permessage-deflate") for _ in range(150)]
            for client in clients:
                data = random.randbytes(25_000).hex().encode()
                client.send(TEXT, client.pack(data), rsv=4)
                assert client.receive()[0] == data
            if turn % 2:
                os.kill(get(server, "/pid")["pid"], signal.SIGKILL)
                for client in clients:
                    assert client.frame() == (True, CLOSE, closing(1012))
            for client in clients:
                client.close()
            time.sleep(0.5)
            sizes.append(memory_of(server.process.pid))
        # 150 connections have 9.6 MB of windows: six turns more would have left 58 MB.
        assert max(sizes[2:]) - sizes[1] < 25 << 20, sizes
