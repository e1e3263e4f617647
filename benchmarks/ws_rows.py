"""Rows about WebSockets: an echo, and a broadcast to everybody in a room."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from measure import allow_descriptors, websockets
from rows import Plan, Row, alternate
from servers import Running

UVICORNS = ("uvicorn-ws", "uvicorn-sansio-ws", "fastapi-ws")
PEERS = ("covet-ws", *UVICORNS, "granian-ws", "granian-mt-ws", "granian-defaults-ws")


@dataclass(frozen=True)
class Socket:
    """A row that load/ws.c drives.

    Attributes:
        name, title: as in Row.
        rate: what its rate is called.
        arguments: for load/ws.c, before the number of connections.
        connections: how many.
        options: for load/ws.c, after that.
    """

    name: str
    title: str
    rate: str
    arguments: tuple[str, ...]
    connections: int
    options: tuple[str, ...] = ()


ROWS = (
    Socket(
        *("ws-echo", "WebSocket echo, 100 connections, 64 bytes"),
        rate="messages",
        arguments=("echo", "{port}", "/echo"),
        connections=100,
    ),
    *(
        Socket(
            *(name, f"WebSocket broadcast of 64 bytes to 1,000 connections, {words} under way"),
            rate="deliveries",
            arguments=("broadcast", "{port}", "/room", "/publish"),
            connections=1000,
            options=(window,),
        )
        for name, words, window in (("ws-broadcast", "64 messages", "64"), ("ws-broadcast-1", "one message", "1"))
    ),
)
NAMES = tuple(row.name for row in ROWS)


def run_socket(socket: Socket, plan: Plan) -> Row:
    """Messages per second and CPU per message, as fast as the server can."""

    def load(server: Running, connections: int, seconds: float) -> Mapping[str, float]:
        arguments = (*socket.arguments, str(connections), *socket.options)
        got = websockets(server, arguments, seconds=seconds, cpu=plan.client_cpu)
        return {socket.rate: got["rate"], "message_us": got["cpu_us"], "busy": got["busy"] * 100}

    def check(server: Running) -> None:
        load(server, 1, 0.1)

    def run(server: Running, seconds: int) -> Mapping[str, float]:
        return load(server, socket.connections, seconds)

    allow_descriptors(socket.connections + 500)
    return alternate(Row(socket.name, socket.title), plan.of(PEERS), plan, check, run)


def run_sockets(plan: Plan) -> Iterator[Row]:
    """Those of these rows that are wanted, as they are done."""
    for socket in ROWS:
        if plan.has(socket.name):
            yield run_socket(socket, plan)
