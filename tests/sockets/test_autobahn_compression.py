"""The cases of the Autobahn test suite, strictly: sections 12 and 13, permessage-deflate (RFC 7692)."""

from __future__ import annotations

import json
import os
import re
import zlib

import pytest
from serving import Server

from sockets.raw import Raw, frame
from sockets.test_autobahn_frames import BINARY, CLOSE, PING, PONG, TEXT, closing

COMPRESSED = 0x40
AGREED = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


def packed(data: bytes, level: int = 6, bits: int = 15) -> bytes:
    """A message as RFC 7692, section 7.2.1, has it."""
    deflater = zlib.compressobj(level, zlib.DEFLATED, -bits)
    return (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]


def unpacked(data: bytes) -> bytes:
    return zlib.decompressobj(-15).decompress(data + b"\x00\x00\xff\xff")


def received(client: Raw) -> tuple[int, bytes, bool]:
    """The next message: its kind, its data, and whether it was compressed."""
    fin, kind, payload = client.frame()
    small = bool(kind & COMPRESSED)
    opcode, data = kind & 0x0F, payload
    while not fin:
        fin, kind, payload = client.frame()
        assert kind == 0
        data += payload
    return opcode, unpacked(data) if small else data, small


def agreed(client: Raw) -> str | None:
    found = re.search(r"^sec-websocket-extensions: (.*?)\r?$", client.head, re.IGNORECASE | re.MULTILINE)
    return found and found[1]


def samples(size: int) -> list[bytes]:
    """Text that compresses well, text that hardly does."""
    document = json.dumps([{"id": n, "name": f"item {n % 17}", "ok": n % 3 == 0} for n in range(size // 30 + 1)])
    return [document.encode()[:size], os.urandom(size).hex().encode()[:size], b"*" * size]


@pytest.mark.parametrize("size", [16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072])
@pytest.mark.parametrize(
    "offer",
    [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_no_context_takeover",
        "permessage-deflate; server_no_context_takeover; client_max_window_bits=9",
        "permessage-deflate; server_max_window_bits=15",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=8, permessage-deflate; client_max_window_bits",
        "permessage-deflate; no_such=1, x-other, permessage-deflate",
    ],
)
def test_12_13_sizes_and_offers(server: Server, offer: str, size: int) -> None:
    with Raw(server.port, extensions=offer) as client:
        assert (agreed(client) or "").startswith(AGREED)
        for opcode in (TEXT, BINARY):
            for data in samples(size) * 3:
                client.send(opcode, packed(data, bits=9), rsv=4)
                kind, back, small = received(client)
                assert (kind, back) == (opcode, data)
                assert small or size < 200 or data != b"*" * size


# What Autobahn offers in section 13, 13.1 being section 12's; it always allows the server to ask for the like.
ALLOWED = "client_no_context_takeover; client_max_window_bits"
FRESH = f"permessage-deflate; server_no_context_takeover; {ALLOWED}"
BOTH = f"permessage-deflate; server_no_context_takeover; server_max_window_bits=9; {ALLOWED}"
OFFERS = {
    "13.1": f"permessage-deflate; {ALLOWED}",
    "13.2": FRESH,
    "13.3": f"permessage-deflate; server_max_window_bits=9; {ALLOWED}",
    "13.4": f"permessage-deflate; server_max_window_bits=15; {ALLOWED}",
    "13.5": BOTH,
    "13.6": f"permessage-deflate; server_no_context_takeover; server_max_window_bits=15; {ALLOWED}",
    "13.7": f"{BOTH}, {FRESH}, permessage-deflate; {ALLOWED}",
}
FRAGMENTS = [(size, 256) for size in (8192, 16384, 32768, 65536, 131072)]
FRAGMENTS += [(131072, part) for part in (1024, 4096, 32768)]


def window(client: Raw, side: str) -> int:
    """The bits of a side's window that the server has agreed to."""
    found = re.search(rf"{side}_max_window_bits=(\d+)", agreed(client) or "")
    return int(found[1]) if found else 15


@pytest.mark.parametrize(("size", "part"), [(4096, 0), (131072, 0), *FRAGMENTS])
@pytest.mark.parametrize("case", OFFERS)
def test_12_13_fragments_and_the_suites_offers(server: Server, case: str, size: int, part: int) -> None:
    """12.x.11 to 12.x.18 and the same of section 13: each fragment has so many bytes before it is compressed."""
    with Raw(server.port, extensions=OFFERS[case]) as client:
        assert (agreed(client) or "").startswith(AGREED)
        bits = window(client, "server")
        if "server_max_window_bits=9;" in OFFERS[case] and case != "13.7":
            assert bits <= 9
        for data in samples(size):
            deflater = zlib.compressobj(6, zlib.DEFLATED, -max(9, window(client, "client")))
            starts = range(0, size, part or size)
            for start in starts:
                small = deflater.compress(data[start : start + (part or size)]) + deflater.flush(zlib.Z_SYNC_FLUSH)
                last = start == starts[-1]
                client.send(0 if start else TEXT, small[:-4] if last else small, fin=last, rsv=0 if start else 4)
            fin, kind, payload = client.frame()
            assert fin and kind & 0x0F == TEXT
            back = zlib.decompressobj(-bits).decompress(payload + b"\x00\x00\xff\xff") if kind & COMPRESSED else payload
            assert back == data


@pytest.mark.parametrize(
    "offer",
    [
        "",
        "x-webkit-deflate-frame",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=016",
        "permessage-deflate; client_no_context_takeover=1",
        "permessage-deflate; client_max_window_bits; client_max_window_bits",
    ],
)
def test_offers_that_cannot_be_met(server: Server, offer: str) -> None:
    with Raw(server.port, extensions=offer) as client:
        assert agreed(client) is None
        client.send(TEXT, b"plain" * 100)
        assert received(client) == (TEXT, b"plain" * 100, False)


def test_fragments_of_a_compressed_message(server: Server) -> None:
    data = samples(100_000)[0]
    small = packed(data)
    with Raw(server.port, extensions="permessage-deflate") as client:
        parts = [small[at : at + 1000] for at in range(0, len(small), 1000)]
        for n, part in enumerate(parts):
            client.send(0 if n else TEXT, part, fin=n == len(parts) - 1, rsv=0 if n else 4)
            if n == 1:
                client.send(PING, b"between")
        assert client.frame() == (True, PONG, b"between")
        assert received(client)[:2] == (TEXT, data)


def test_several_blocks_and_stored_ones(server: Server) -> None:
    data = samples(5000)[1]
    deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
    pieces = b"".join(
        deflater.compress(data[at : at + 100]) + deflater.flush(zlib.Z_FULL_FLUSH) for at in range(0, 5000, 100)
    )
    with Raw(server.port, extensions="permessage-deflate") as client:
        for small in (pieces[:-4], packed(data, 0), packed(data, 9), packed(b"") or b"\x00", b"\x00"):
            client.send(TEXT, small, rsv=4)
            assert received(client)[1] in (data, b"")


def test_messages_may_be_plain(server: Server) -> None:
    with Raw(server.port, extensions="permessage-deflate") as client:
        client.send(TEXT, b"plain")
        assert received(client)[:2] == (TEXT, b"plain")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(TEXT, b"\xff\xff\xff\xff garbage", rsv=4), 1007),
        (frame(TEXT, packed(b"\xce\xba\xed\xa0\x80" * 20), rsv=4), 1007),
        (frame(TEXT, packed(b"x"), fin=False, rsv=4) + frame(0, b"", rsv=4), 1002),
        (frame(PING, b"x", rsv=4), 1002),
        (frame(CLOSE, closing(1000), rsv=4), 1002),
        (frame(TEXT, packed(b"x"), rsv=2), 1002),
    ],
    ids=["garbage", "no UTF-8", "a later fragment", "a ping", "a close", "another bit"],
)
def test_what_is_wrong(server: Server, data: bytes, code: int) -> None:
    with Raw(server.port, extensions="permessage-deflate") as client:
        client.raw(data)
        assert [(kind, payload[:2]) for _, kind, payload in client.frames()] == [(CLOSE, closing(code))]


def test_a_bomb(server: Server) -> None:
    """17 MiB of zeros in a few KiB."""
    with Raw(server.port, extensions="permessage-deflate") as client:
        client.send(BINARY, packed(bytes(17 << 20)), rsv=4)
        assert [(kind, payload[:2]) for _, kind, payload in client.frames()] == [(CLOSE, closing(1009))]
