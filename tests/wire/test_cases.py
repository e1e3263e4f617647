"""The table of raw requests (cases.toml), against both event loops."""

from __future__ import annotations

import contextlib
import tomllib
from pathlib import Path
from typing import Any

import pytest

from .harness import Answer, Closed, Reader, Server

CASES: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("cases.toml").read_text("utf-8"))["case"]


def test_the_table_is_large_enough() -> None:
    assert len(CASES) >= 100
    assert len({case["name"] for case in CASES}) == len(CASES)


@pytest.mark.parametrize("split", [False, True], ids=["whole", "split"])
@pytest.mark.parametrize("case", CASES, ids=[case["name"].replace(" ", "-") for case in CASES])
def test_case(server: Server, case: dict[str, Any], split: bool) -> None:
    data = case["send"].encode("latin-1")
    with server.connect() as sock:
        sock.setsockopt(6, 1, 1)  # TCP_NODELAY: every byte is a packet of its own
        reader = Reader(sock)
        try:
            if split:
                for i in range(len(data)):
                    sock.sendall(data[i : i + 1])
            else:
                sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            assert case.get("close"), "the server closed too early"
        answers: list[Answer] = []
        with contextlib.suppress(Closed):
            while len(answers) < len(case["status"]):
                answers.append(reader.answer(head_request=case.get("head", False)))
        assert [a.status for a in answers] == case["status"]
        if "body" in case:
            assert answers[-1].body.decode("latin-1") == case["body"]
        if "has" in case:
            assert case["has"].lower() in [line.strip().lower() for line in answers[-1].head.split("\r\n")]
        if case.get("close"):
            assert reader.at_end(), "the server did not close the connection"
        else:
            sock.sendall(b"GET /ping HTTP/1.1\r\nHost: still-alive\r\n\r\n")
            assert reader.answer().body == b"pong", "the connection was not usable any more"
