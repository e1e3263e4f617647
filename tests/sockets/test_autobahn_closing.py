"""The cases of the Autobahn test suite, strictly: sections 7, 9 and 10, closing, limits and fragments."""

from __future__ import annotations

import os

import pytest
from serving import Server

from sockets.raw import Raw, frame
from sockets.test_autobahn_frames import BINARY, CLOSE, PING, TEXT, closing, run, text


def all_frames(server: Server, data: bytes) -> list[tuple[bool, int, bytes]]:
    """Everything that comes back until the server closes the connection."""
    with Raw(server.port) as client:
        client.raw(data)
        return list(client.frames())


def test_7_1_1_a_message_and_a_close(server: Server) -> None:
    assert all_frames(server, frame(TEXT, b"Hello World!") + frame(CLOSE, closing(1000))) == [
        text("Hello World!"),
        (True, CLOSE, closing(1000)),
    ]


def test_7_1_2_two_closes(server: Server) -> None:
    assert all_frames(server, frame(CLOSE, closing(1000)) * 2) == [(True, CLOSE, closing(1000))]


@pytest.mark.parametrize(
    "after", [frame(PING), frame(TEXT, b"Hello"), frame(0, b"fragment2")], ids=["ping", "message", "fragment"]
)
def test_7_1_3_nothing_counts_after_a_close(server: Server, after: bytes) -> None:
    """7.1.3 to 7.1.5."""
    before = frame(TEXT, b"fragment1", fin=False)
    assert all_frames(server, before + frame(CLOSE, closing(1000)) + after) == [(True, CLOSE, closing(1000))]


def test_7_1_6_a_large_message_and_a_close(server: Server) -> None:
    """256 KiB, a short message, a close and a ping."""
    large = b"BAsd7&jh23" * 26_214
    found = all_frames(
        server, frame(TEXT, large) + frame(TEXT, b"Hello World!") + frame(CLOSE, closing(1000)) + frame(PING)
    )
    assert found[-2:] == [text("Hello World!"), (True, CLOSE, closing(1000))]
    assert b"".join(payload for _, _, payload in found[:-2]) == large


def test_7_3_1_an_empty_close(server: Server) -> None:
    assert all_frames(server, frame(CLOSE)) == [(True, CLOSE, b"")]


def test_7_3_2_a_close_of_one_byte(server: Server) -> None:
    run(server, frame(CLOSE, b"a"), [], 1002)


@pytest.mark.parametrize("reason", [b"", b"Hello World!", b"*" * 123])
def test_7_3_3_reasons(server: Server, reason: bytes) -> None:
    """7.3.3 to 7.3.5."""
    assert all_frames(server, frame(CLOSE, closing(1000) + reason)) == [(True, CLOSE, closing(1000))]


def test_7_3_6_a_reason_that_is_too_long(server: Server) -> None:
    run(server, frame(CLOSE, closing(1000) + b"*" * 124), [], 1002)


def test_7_5_1_a_reason_that_is_not_utf_8(server: Server) -> None:
    run(
        server,
        frame(CLOSE, closing(1000) + b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"),
        [],
        1007,
    )


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999])
def test_7_7_valid_codes(server: Server, code: int) -> None:
    """7.7.1 to 7.7.13."""
    assert all_frames(server, frame(CLOSE, closing(code))) == [(True, CLOSE, closing(code))]


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999])
@pytest.mark.parametrize("reason", [b"", b"reason"])
def test_7_9_invalid_codes(server: Server, code: int, reason: bytes) -> None:
    """7.9.1 to 7.9.9."""
    run(server, frame(CLOSE, closing(code) + reason), [], 1002)


@pytest.mark.parametrize("code", [5000, 65535])
def test_7_13_codes_beyond(server: Server, code: int) -> None:
    """7.13.1, 7.13.2."""
    run(server, frame(CLOSE, closing(code)), [], 1002)


# ---- limits -----------------------------------------------------------------------------

K = 1 << 10
M = 1 << 20


def echoed(server: Server, opcode: int, data: bytes, size: int, piece: int = 0) -> None:
    """Whether a message of `x` comes back, in however many frames."""
    with Raw(server.port) as client:
        client.raw(data, piece)
        got, kinds, last = 0, [], False
        while not last:
            last, kind, payload = client.frame()
            kinds.append(kind)
            assert payload.count(b"x") == len(payload)
            got += len(payload)
        assert (kinds[0], set(kinds[1:]) <= {0}, got) == (opcode, True, size)


@pytest.mark.parametrize("size", [64 * K, 256 * K, M, 4 * M, 8 * M, 16 * M])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_9_large_messages(server: Server, opcode: int, size: int) -> None:
    """9.1.1 to 9.1.6, 9.2.1 to 9.2.6."""
    echoed(server, opcode, frame(opcode, b"x" * size), size)


@pytest.mark.parametrize("part", [64, 256, K, 4 * K, 16 * K, 64 * K, 256 * K, M, 4 * M])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_9_large_messages_in_fragments(server: Server, opcode: int, part: int) -> None:
    """9.3.1 to 9.3.9, 9.4.1 to 9.4.9: 4 MiB in all."""
    size = 4 * M
    mask = os.urandom(4)
    first = frame(opcode, b"x" * part, fin=part == size, mask=mask)
    middle, last = frame(0, b"x" * part, fin=False, mask=mask), frame(0, b"x" * part, mask=mask)
    count = size // part
    echoed(server, opcode, first + middle * (count - 2) + (last if count > 1 else b""), size)


@pytest.mark.parametrize("piece", [64, 128, 256, 512, 1024, 2048])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_9_large_messages_in_chops(server: Server, opcode: int, piece: int) -> None:
    """9.5.1 to 9.5.6, 9.6.1 to 9.6.6: 1 MiB in writes of so many bytes."""
    echoed(server, opcode, frame(opcode, b"x" * M), M, piece)


@pytest.mark.parametrize("size", [0, 16, 64, 256, 1024, 4096])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_9_many_messages(server: Server, opcode: int, size: int) -> None:
    """9.7.1 to 9.7.6, 9.8.1 to 9.8.6: 1000 messages, one after the other."""
    with Raw(server.port) as client:
        data = frame(opcode, b"x" * size)
        for _ in range(1000):
            client.raw(data)
            assert client.frame() == (True, opcode, b"x" * size)


def test_10_1_1_a_message_in_fragments_of_1300(server: Server) -> None:
    payload = b"*" * 65536
    parts = [payload[at : at + 1300] for at in range(0, len(payload), 1300)]
    data = b"".join(frame(TEXT if n == 0 else 0, part, fin=n == len(parts) - 1) for n, part in enumerate(parts))
    run(server, data, [text(payload)])
