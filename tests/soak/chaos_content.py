"""What the chaos run's server answers: it follows from the request, so that its clients can check every byte."""

from __future__ import annotations

import hashlib
import json
import random

PIECES = 16


def content(seed: int, size: int) -> bytes:
    """As many bytes of the sequence that belongs to a seed."""
    return random.Random(seed).randbytes(size)


def piece(seed: int, number: int, size: int) -> bytes:
    """One of the pieces of a streamed answer."""
    return content(seed * PIECES + number, size)


def streamed(seed: int, size: int) -> bytes:
    """A whole streamed answer with pieces of `size` bytes."""
    return b"".join(piece(seed, number, size) for number in range(PIECES))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def echo(number: int, q: str) -> dict[str, object]:
    """What a small answer says."""
    return {"number": number, "q": q, "digest": digest(f"{number} {q}".encode())}


def compact(value: object) -> bytes:
    """JSON as the server writes it."""
    return json.dumps(value, separators=(",", ":")).encode()
