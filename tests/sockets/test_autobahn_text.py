"""The cases of the Autobahn test suite, strictly: section 6, text that is UTF-8 or not."""

from __future__ import annotations

import pytest
from serving import Server

from sockets.raw import Raw, frame
from sockets.test_autobahn_frames import CLOSE, TEXT, closing, run, text

GREEK = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5".decode()
MIXED = "Hello-µ@ßöäüàá-UTF-8!!"


def refused(server: Server, data: bytes, piece: int = 0) -> None:
    run(server, data, [], 1007, piece)


def test_6_1_empty_messages(server: Server) -> None:
    run(server, frame(TEXT), [text("")])
    run(server, frame(TEXT, fin=False) + frame(0, fin=False) + frame(0), [text("")])
    run(
        server,
        frame(TEXT, fin=False) + frame(0, b"middle frame payload", fin=False) + frame(0),
        [text("middle frame payload")],
    )


@pytest.mark.parametrize("payload", [MIXED, GREEK])
def test_6_2_valid_text(server: Server, payload: str) -> None:
    """6.2.1 to 6.2.4: whole, in two fragments, and in octets."""
    data = payload.encode()
    run(server, frame(TEXT, data), [text(data)])
    run(server, frame(TEXT, data[:10], fin=False) + frame(0, data[10:]), [text(data)])
    octets = b"".join(frame(0 if at else TEXT, data[at : at + 1], fin=at == len(data) - 1) for at in range(len(data)))
    run(server, octets, [text(data)])


def test_6_3_invalid_text(server: Server) -> None:
    """6.3.1, 6.3.2."""
    data = GREEK.encode() + b"\xed\xa0\x80edited"
    refused(server, frame(TEXT, data))
    octets = b"".join(frame(0 if at else TEXT, data[at : at + 1], fin=at == len(data) - 1) for at in range(len(data)))
    refused(server, octets)


@pytest.mark.parametrize("bad", [b"\xf4\x90\x80\x80", b"\xf4\x90"])
def test_6_4_it_fails_fast(server: Server, bad: bytes) -> None:
    """6.4.1 to 6.4.4: before the message, and even the frame, is complete."""
    with Raw(server.port) as client:
        client.raw(frame(TEXT, GREEK.encode(), fin=False) + frame(0, bad, fin=False))
        assert client.frame()[1:] == (CLOSE, closing(1007) + b"the text is not UTF-8")
    whole = frame(TEXT, GREEK.encode() + bad + b"edited")
    with Raw(server.port) as client:
        client.raw(whole[: -len(b"edited")])
        assert client.frame()[1:] == (CLOSE, closing(1007) + b"the text is not UTF-8")


VALID = [
    # 6.5, 6.6.11: what the whole letter is
    GREEK.encode(),
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
    *(f"hello{letter}world".encode() for letter in "$\u00a2\u20ac\U00024b62"),
    *(GREEK[:n].encode() for n in range(1, 5)),
    # 6.7, the first of each length; 6.9, the last of each
    b"\x00",
    b"\xc2\x80",
    b"\xe0\xa0\x80",
    b"\xf0\x90\x80\x80",
    b"\x7f",
    b"\xdf\xbf",
    b"\xef\xbf\xbf",
    b"\xf4\x8f\xbf\xbf",
    # 6.11, other boundaries
    b"\xed\x9f\xbf",
    b"\xee\x80\x80",
    b"\xef\xbf\xbd",
    b"\xf4\x8f\xbf\xbf",
    # 6.22, non-characters
    *(chr(code).encode() for plane in range(17) for code in (plane << 16 | 0xFFFE, plane << 16 | 0xFFFF)),
    # 6.23, the replacement character and its neighbours
    *(chr(code).encode() for code in range(0xFFF9, 0xFFFE)),
]

STARTS = [(0xC0, 0xDF), (0xE0, 0xEF), (0xF0, 0xF7), (0xF8, 0xFB), (0xFC, 0xFD)]
INVALID = [
    # 6.6: the beginning of a letter
    *(GREEK.encode()[:n] for n in (1, 3, 4, 6, 8, 10)),
    # 6.8: the first of lengths that there are not
    b"\xf8\x88\x80\x80\x80",
    b"\xfc\x84\x80\x80\x80\x80",
    # 6.10: the last of them
    b"\xf7\xbf\xbf\xbf",
    b"\xfb\xbf\xbf\xbf\xbf",
    b"\xfd\xbf\xbf\xbf\xbf\xbf",
    # 6.11.5
    b"\xf4\x90\x80\x80",
    # 6.12: continuation bytes alone
    *(b"\x80\xbf"[n % 2 : n % 2 + 1] * (n // 2 + 1) for n in range(8)),
    *((b"\x80\xbf" * 3)[:n] for n in range(2, 7)),
    bytes(range(0x80, 0xBF)),
    bytes(range(0x80, 0xC0)),
    # 6.13: lonely starts
    b" ".join(bytes([b]) for b in range(0xC0, 0xE0)),
    b" ".join(bytes([b]) for b in range(0xE0, 0xF0)),
    b" ".join(bytes([b]) for b in range(0xF0, 0xF8)),
    b" ".join(bytes([b]) for b in range(0xF8, 0xFC)),
    b"\xfc \xfd ",
    # the same without the last of each, as the suite has them
    *(b"".join(bytes([b, 0x20]) for b in range(*ends)) for ends in STARTS),
    # 6.14: the last byte is missing
    b"\xc0",
    b"\xe0\x80",
    b"\xf0\x80\x80",
    b"\xf8\x80\x80\x80",
    b"\xfc\x80\x80\x80\x80",
    b"\xdf",
    b"\xef\xbf",
    b"\xf7\xbf\xbf",
    b"\xfb\xbf\xbf\xbf",
    b"\xfd\xbf\xbf\xbf\xbf",
    # 6.15: all of those in a row
    b"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80\xfc\x80\x80\x80\x80\xdf\xef\xbf\xf7\xbf\xbf\xfb\xbf\xbf\xbf\xfd\xbf\xbf\xbf\xbf",
    # 6.16: impossible bytes
    b"\xfe",
    b"\xff",
    b"\xfe\xfe\xff\xff",
    # 6.17: overlong slashes; 6.18: the greatest overlong; 6.19: overlong NUL
    b"\xc0\xaf",
    b"\xe0\x80\xaf",
    b"\xf0\x80\x80\xaf",
    b"\xf8\x80\x80\x80\xaf",
    b"\xfc\x80\x80\x80\x80\xaf",
    b"\xc1\xbf",
    b"\xe0\x9f\xbf",
    b"\xf0\x8f\xbf\xbf",
    b"\xf8\x87\xbf\xbf\xbf",
    b"\xfc\x83\xbf\xbf\xbf\xbf",
    b"\xc0\x80",
    b"\xe0\x80\x80",
    b"\xf0\x80\x80\x80",
    b"\xf8\x80\x80\x80\x80",
    b"\xfc\x80\x80\x80\x80\x80",
    # 6.20: single surrogates; 6.21: pairs of them
    b"\xed\xa0\x80",
    b"\xed\xad\xbf",
    b"\xed\xae\x80",
    b"\xed\xaf\xbf",
    b"\xed\xb0\x80",
    b"\xed\xbe\x80",
    b"\xed\xbf\xbf",
    b"\xed\xa0\x80\xed\xb0\x80",
    b"\xed\xa0\x80\xed\xbf\xbf",
    b"\xed\xad\xbf\xed\xb0\x80",
    b"\xed\xad\xbf\xed\xbf\xbf",
    b"\xed\xae\x80\xed\xb0\x80",
    b"\xed\xae\x80\xed\xbf\xbf",
    b"\xed\xaf\xbf\xed\xb0\x80",
    b"\xed\xaf\xbf\xed\xbf\xbf",
]


def test_6_valid_sequences(server: Server) -> None:
    """6.5 to 6.23, in one frame and in octets."""
    data = b"".join(frame(TEXT, payload) for payload in VALID)
    run(server, data, [text(payload) for payload in VALID])
    for payload in VALID:
        octets = b"".join(
            frame(0 if at else TEXT, payload[at : at + 1], fin=at == len(payload) - 1) for at in range(len(payload))
        )
        run(server, octets, [text(payload)])


@pytest.mark.parametrize("payload", INVALID, ids=lambda payload: payload.hex()[:24])
def test_6_invalid_sequences(server: Server, payload: bytes) -> None:
    """6.6 to 6.21, in one frame, behind good text, and in octets."""
    refused(server, frame(TEXT, payload))
    refused(server, frame(TEXT, b"good", fin=False) + frame(0, payload))
    octets = b"".join(
        frame(0 if at else TEXT, payload[at : at + 1], fin=at == len(payload) - 1) for at in range(len(payload))
    )
    refused(server, octets)
