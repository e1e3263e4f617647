"""The cases of the Autobahn test suite, strictly: sections 1 to 5, with an echo server (crossbar.io/autobahn)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from serving import Server

from sockets.raw import Raw, frame

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
Frame = tuple[bool, int, bytes]


def text(payload: bytes | str) -> Frame:
    return (True, TEXT, payload.encode() if isinstance(payload, str) else payload)


def closing(code: int) -> bytes:
    return code.to_bytes(2, "big")


def run(server: Server, data: bytes, expected: Sequence[Frame], code: int = 1000, piece: int = 0) -> None:
    """Sends bytes and looks at all that comes back; with code 1000 a clean close follows."""
    with Raw(server.port) as client:
        client.raw(data, piece)
        if code == 1000:
            client.raw(frame(CLOSE, closing(1000)))
        *messages, last = client.frames()
        assert messages == list(expected)
        assert (last[0], last[1], last[2][:2]) == (True, CLOSE, closing(code))


SIZES = [0, 125, 126, 127, 128, 65535, 65536]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_1_framing(server: Server, opcode: int, size: int) -> None:
    """1.1.1 to 1.1.7, 1.2.1 to 1.2.7."""
    payload = b"*" * size if opcode == TEXT else b"\xfe" * size
    run(server, frame(opcode, payload), [(True, opcode, payload)])


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_1_framing_in_chops(server: Server, opcode: int) -> None:
    """1.1.8, 1.2.8: 997 bytes at a time."""
    run(server, frame(opcode, b"*" * 65536), [(True, opcode, b"*" * 65536)], piece=997)


@pytest.mark.parametrize("payload", [b"", b"Hello, world!", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", b"\xfe" * 125])
def test_2_pings(server: Server, payload: bytes) -> None:
    """2.1 to 2.4."""
    run(server, frame(PING, payload), [(True, PONG, payload)])


def test_2_5_a_ping_that_is_too_long(server: Server) -> None:
    run(server, frame(PING, b"\xfe" * 126), [], 1002)


def test_2_6_a_ping_in_octets(server: Server) -> None:
    run(server, frame(PING, b"\xfe" * 125), [(True, PONG, b"\xfe" * 125)], piece=1)


@pytest.mark.parametrize("payload", [b"", b"unsolicited pong payload"])
def test_2_7_unsolicited_pongs(server: Server, payload: bytes) -> None:
    """2.7, 2.8."""
    run(server, frame(PONG, payload), [])


def test_2_9_a_pong_then_a_ping(server: Server) -> None:
    run(server, frame(PONG, b"unsolicited") + frame(PING, b"ping"), [(True, PONG, b"ping")])


@pytest.mark.parametrize("piece", [0, 1])
def test_2_10_many_pings(server: Server, piece: int) -> None:
    """2.10, 2.11."""
    payloads = [b"payload-%d" % n for n in range(10)]
    data = b"".join(frame(PING, payload) for payload in payloads)
    run(server, data, [(True, PONG, payload) for payload in payloads], piece=piece)


def test_3_1_reserved_bits(server: Server) -> None:
    run(server, frame(TEXT, b"Hello, world!", rsv=1), [], 1002)


@pytest.mark.parametrize(("rsv", "piece"), [(2, 0), (3, 0), (4, 1)])
def test_3_2_reserved_bits_after_a_message(server: Server, rsv: int, piece: int) -> None:
    """3.2 to 3.4: what came before is echoed, the ping behind is not answered."""
    data = frame(TEXT, b"Hello, world!") + frame(TEXT, b"Hello, world!", rsv=rsv) + frame(PING)
    run(server, data, [text("Hello, world!")], 1002, piece)


@pytest.mark.parametrize(("opcode", "rsv"), [(BINARY, 5), (PING, 6), (CLOSE, 7)])
def test_3_5_reserved_bits_of_other_frames(server: Server, opcode: int, rsv: int) -> None:
    """3.5 to 3.7."""
    run(server, frame(opcode, closing(1000) if opcode == CLOSE else b"\x00\xff", rsv=rsv), [], 1002)


@pytest.mark.parametrize(("opcode", "payload"), [(3, b""), (4, b"reserved"), (11, b""), (12, b"reserved")])
def test_4_reserved_opcodes(server: Server, opcode: int, payload: bytes) -> None:
    """4.1.1, 4.1.2, 4.2.1, 4.2.2."""
    run(server, frame(opcode, payload), [], 1002)


@pytest.mark.parametrize(
    ("opcode", "payload", "piece"),
    [(5, b"", 0), (6, b"reserved", 0), (7, b"reserved", 1), (13, b"", 0), (14, b"reserved", 0), (15, b"reserved", 1)],
)
def test_4_reserved_opcodes_after_a_message(server: Server, opcode: int, payload: bytes, piece: int) -> None:
    """4.1.3 to 4.1.5, 4.2.3 to 4.2.5."""
    data = frame(TEXT, b"Hello, world!") + frame(opcode, payload) + frame(PING)
    run(server, data, [text("Hello, world!")], 1002, piece)


@pytest.mark.parametrize("opcode", [PING, PONG])
def test_5_1_control_frames_in_fragments(server: Server, opcode: int) -> None:
    """5.1, 5.2."""
    run(server, frame(opcode, b"fragment1", fin=False) + frame(0, b"fragment2"), [], 1002)


@pytest.mark.parametrize("piece", [0, 1])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_5_3_two_fragments(server: Server, opcode: int, piece: int) -> None:
    """5.3 to 5.5."""
    data = frame(opcode, b"fragment1", fin=False) + frame(0, b"fragment2")
    run(server, data, [(True, opcode, b"fragment1fragment2")], piece=piece)


@pytest.mark.parametrize("piece", [0, 1])
def test_5_6_a_ping_between_fragments(server: Server, piece: int) -> None:
    """5.6 to 5.8."""
    data = frame(TEXT, b"fragment1", fin=False) + frame(PING, b"ping payload") + frame(0, b"fragment2")
    run(server, data, [(True, PONG, b"ping payload"), text("fragment1fragment2")], piece=piece)


@pytest.mark.parametrize("piece", [0, 1])
@pytest.mark.parametrize("fin", [True, False])
def test_5_9_a_continuation_of_nothing(server: Server, fin: bool, piece: int) -> None:
    """5.9 to 5.14."""
    data = frame(0, b"non-continuation payload", fin=fin) + frame(TEXT, b"Hello, world!")
    run(server, data, [], 1002, piece)


@pytest.mark.parametrize("fin", [True, False])
def test_5_15_a_continuation_after_the_last_fragment(server: Server, fin: bool) -> None:
    data = (
        frame(TEXT, b"fragment1", fin=False)
        + frame(0, b"fragment2")
        + frame(0, b"fragment3", fin=fin)
        + frame(TEXT, b"fragment4")
    )
    run(server, data, [text("fragment1fragment2")], 1002)


@pytest.mark.parametrize("fin", [True, False])
def test_5_16_only_continuations(server: Server, fin: bool) -> None:
    """5.16, 5.17."""
    data = (frame(0, b"fragment1", fin=fin) + frame(TEXT, b"fragment2", fin=False) + frame(0, b"fragment3")) * 2
    run(server, data, [], 1002)


def test_5_18_a_message_within_a_message(server: Server) -> None:
    run(server, frame(TEXT, b"fragment1", fin=False) + frame(TEXT, b"fragment2"), [], 1002)


@pytest.mark.parametrize("piece", [0, 1])
def test_5_19_pings_among_many_fragments(server: Server, piece: int) -> None:
    """5.19, 5.20."""
    data = (
        frame(TEXT, b"fragment1", fin=False)
        + frame(0, b"fragment2", fin=False)
        + frame(PING, b"pongme 1!")
        + frame(0, b"fragment3", fin=False)
        + frame(0, b"fragment4", fin=False)
        + frame(PING, b"pongme 2!")
        + frame(0, b"fragment5")
    )
    whole = "".join(f"fragment{n}" for n in range(1, 6))
    run(server, data, [(True, PONG, b"pongme 1!"), (True, PONG, b"pongme 2!"), text(whole)], piece=piece)


# ---- beyond the suite ------------------------------------------------------------------


def test_frames_must_be_masked(server: Server) -> None:
    run(server, b"\x81\x02hi", [], 1002)


@pytest.mark.parametrize(
    "head", [b"\x81\xfe\x00\x05", b"\x81\xff\x00\x00\x00\x00\x00\x00\x00\x05", b"\x82\xff" + b"\xff" * 8]
)
def test_lengths_must_be_in_their_shortest_form(server: Server, head: bytes) -> None:
    run(server, head + b"\0\0\0\0hello", [], 1002)


def test_every_split_of_a_message(server: Server) -> None:
    data = frame(TEXT, "héllo".encode(), fin=False) + frame(PING, b"p") + frame(0, "wörld".encode())
    for at in range(1, len(data)):
        with Raw(server.port) as client:
            client.raw(data[:at])
            client.raw(data[at:])
            assert [client.frame(), client.frame()] == [(True, PONG, b"p"), text("héllowörld")]
