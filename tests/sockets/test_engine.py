"""WebSockets of a CovetPy application over the engine, with a real client."""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.request
from typing import Any

import pytest
from serving import Server
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

WAIT = 20.0


def open_at(server: Server, path: str, **options: Any) -> ClientConnection:
    """A connection to a path."""
    return connect(f"ws://127.0.0.1:{server.port}{path}", max_size=None, **options)


def get(server: Server, path: str, method: str = "GET") -> Any:
    request = urllib.request.Request(server.url + path, method=method)
    with urllib.request.urlopen(request, timeout=WAIT) as answer:
        return json.load(answer)


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_echo(server: Server, compression: str | None) -> None:
    with open_at(server, "/echo", compression=compression) as websocket:
        assert ("permessage-deflate" in str(websocket.response and websocket.response.headers)) is bool(compression)
        for message in (
            "hello",
            "",
            "ä€😀",
            b"",
            b"\x00\xff",
            "x" * 200,
            "x" * 125,
            "x" * 126,
            "x" * 65535,
            b"y" * 65536,
        ):
            websocket.send(message)
            assert websocket.recv(WAIT) == message


@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("size", [100_000, 1_000_000, 10_000_000])
def test_large_messages(server: Server, compression: str | None, size: int) -> None:
    random = os.urandom(size // 2) + bytes(size - size // 2)
    with open_at(server, "/echo", compression=compression) as websocket:
        websocket.send(random)
        assert websocket.recv(WAIT) == random
        websocket.send("ab" * (size // 2))
        assert websocket.recv(WAIT) == "ab" * (size // 2)


def test_fragments_are_joined(server: Server) -> None:
    with open_at(server, "/echo") as websocket:
        websocket.send(["a" * 1000, "", "ä", "b" * 70_000])
        assert websocket.recv(WAIT) == "a" * 1000 + "ä" + "b" * 70_000
        websocket.send(iter([b"x", b"y"]))
        assert websocket.recv(WAIT) == b"xy"


def test_many_messages_keep_their_order(server: Server) -> None:
    with open_at(server, "/echo") as websocket:
        sender = threading.Thread(target=lambda: [websocket.send(str(n)) for n in range(5000)])
        sender.start()
        assert [websocket.recv(WAIT) for _ in range(5000)] == [str(n) for n in range(5000)]
        sender.join()


def test_json(server: Server) -> None:
    with open_at(server, "/json") as websocket:
        websocket.send('{"a": [1, "ä"]}')
        assert websocket.recv(WAIT) == '{"got":{"a":[1,"ä"]}}'
        assert websocket.recv(WAIT) == '{"got":{"a":[1,"ä"]}}'.encode()


def test_sending_and_receiving_at_the_same_time(server: Server) -> None:
    with open_at(server, "/both") as websocket:
        for n in range(100):
            websocket.send(str(n))
        assert [websocket.recv(WAIT) for _ in range(101)] == [*map(str, range(100)), "done"]


def test_pings_are_answered(server: Server) -> None:
    with open_at(server, "/echo") as websocket:
        assert websocket.ping(b"x" * 125).wait(WAIT)
        assert websocket.ping("").wait(WAIT)


def test_subprotocols_and_header_fields(server: Server) -> None:
    offers = [Subprotocol("one"), Subprotocol("two")]
    with open_at(server, "/subprotocol", subprotocols=offers) as websocket:
        assert websocket.subprotocol == "two"
        assert websocket.response and websocket.response.headers["x-own"] == "yes"
        assert json.loads(websocket.recv(WAIT)) == ["one", "two"]
    with open_at(server, "/subprotocol") as websocket:
        assert websocket.subprotocol is None


def test_what_a_handler_sees(server: Server) -> None:
    headers = {"cookie": "a=b; c=d", "x-header": "value"}
    with open_at(server, "/about/7?q=x%20y", additional_headers=headers) as websocket:
        assert json.loads(websocket.recv(WAIT)) == {
            "item": 7,
            "q": "x y",
            "limit": 1,
            "url": f"ws://127.0.0.1:{server.port}/about/7?q=x%20y",
            "path_params": {"item": "7"},
            "cookies": {"a": "b", "c": "d"},
            "header": "value",
            "client": "127.0.0.1",
            "type": "websocket",
        }


def refused(server: Server, path: str, **options: Any) -> Any:
    with pytest.raises(InvalidStatus) as caught, open_at(server, path, **options):
        pass
    return caught.value.response


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/no-such", 404, b'{"detail":"Not Found"}'),
        ("/pid", 404, b'{"detail":"Not Found"}'),
        ("/refuse/close", 403, b""),
        ("/refuse/denial", 418, b"not you"),
        ("/refuse/http", 401, b'{"detail":"who are you"}'),
        ("/refuse/error", 500, b"Internal Server Error"),
        ("/refuse/socket", 403, b""),
        ("/refuse/nothing", 500, b"Internal Server Error"),
        ("/guarded?token=wrong", 403, b""),
        ("/about/x", 403, b""),
        ("/about/1?limit=11", 403, b""),
    ],
)
def test_refusals(server: Server, path: str, status: int, body: bytes) -> None:
    response = refused(server, path)
    assert (response.status_code, response.body) == (status, body)


def test_a_denial_has_its_header_fields(server: Server) -> None:
    assert refused(server, "/refuse/denial").headers["x-why"] == "tea"
    assert refused(server, "/refuse/http").headers["www-authenticate"] == "Basic"


def test_dependencies(server: Server) -> None:
    with open_at(server, "/guarded?token=right") as websocket:
        assert websocket.recv(WAIT) == "right"


def test_a_plain_request_for_a_websocket_is_not_found(server: Server) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(server, "/echo")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(server, "/echo", "WEBSOCKET")


def closed(websocket: ClientConnection) -> tuple[int, str]:
    """How the server closes a connection."""
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            websocket.recv(WAIT)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


@pytest.mark.parametrize(
    ("path", "code", "reason"),
    [
        ("/close/1000", 1000, "because"),
        ("/close/1001", 1001, "because"),
        ("/close/3000", 3000, "because"),
        ("/close/4999", 4999, "because"),
        ("/fail/error", 1011, ""),
        ("/fail/socket", 4001, "mine"),
        ("/fail/http", 1008, "bad"),
        ("/fail/nothing", 1000, ""),
        ("/fail/code", 1011, ""),
        ("/fail/reason", 1011, ""),
    ],
)
def test_close_codes_of_the_handler(server: Server, path: str, code: int, reason: str) -> None:
    with open_at(server, path) as websocket:
        assert closed(websocket) == (code, reason)


def test_the_wrong_kind_of_message_is_an_error(server: Server) -> None:
    with open_at(server, "/fail/kind") as websocket:
        websocket.send(b"binary")
        assert closed(websocket)[0] == 1011
    assert "the message is binary" in server.log


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "going"), (3333, "ä" * 61), (4000, "x")])
def test_close_codes_of_the_client(server: Server, code: int, reason: str) -> None:
    name = f"client-{code}"
    with open_at(server, f"/echo?name={name}") as websocket:
        websocket.send("x")
        websocket.recv(WAIT)
        websocket.close(code, reason)
        assert websocket.close_code == code
    assert get(server, f"/ended/{name}") == {"code": code, "reason": reason}


def test_a_lost_connection(server: Server) -> None:
    websocket = open_at(server, "/echo?name=lost")
    websocket.socket.close()
    assert get(server, "/ended/lost") == {"code": 1006, "reason": ""}


def test_a_slow_handler_makes_its_client_wait(server: Server) -> None:
    block = bytes(100_000)
    with open_at(server, "/slow", compression=None) as websocket:
        written = [0]

        def write() -> None:
            for _ in range(300):
                websocket.send(block)
                written[0] += 1

        writer = threading.Thread(target=write)
        writer.start()
        time.sleep(1.5)
        # What the engine and the kernel hold is far from all.
        assert written[0] < 250
        assert urllib.request.urlopen(server.url + "/go", timeout=WAIT).status == 200
        writer.join(WAIT)
        assert written[0] == 300
    assert get(server, "/ended/slow") == {"size": 30_000_000, "count": 300}


@pytest.mark.parametrize(("size", "count"), [(100, 200_000), (60_000, 1000), (1_000_000, 60)])
def test_a_slow_client_makes_send_wait(server: Server, size: int, count: int) -> None:
    with open_at(server, f"/flood?size={size}&count={count}", compression=None, max_queue=1) as websocket:
        time.sleep(1.0)
        before = get(server, "/sent")["bytes"]
        assert before < 0.8 * size * count
        total = 0
        while not isinstance(message := websocket.recv(WAIT), str):
            total += len(message)
        assert total == size * count


def test_a_client_that_goes_ends_what_is_sent(server: Server) -> None:
    websocket = open_at(server, "/flood?size=1000000&count=1000", compression=None)
    websocket.recv(WAIT)
    websocket.socket.close()
    assert get(server, "/ended/flood") == {"code": 1006}
