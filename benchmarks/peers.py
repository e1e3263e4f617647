"""The servers that are measured: how each is started, in its best documented settings, with one worker."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
WORK = ROOT / ".work" / "bench"
APPS = HERE / "apps"
EXAMPLES = ROOT / "examples"
VENV = WORK / "venv"
CARGO = WORK / "cargo"
LOAD = WORK / "load"
WS_LOAD = WORK / "ws"
LOGS = WORK / "logs"
PYTHON = VENV / "bin" / "python"


@dataclass(frozen=True)
class Peer:
    """One way to start a server.

    Attributes:
        name: what the tables call it.
        what: what runs for a request.
        command: the command line; "{port}" stands for the port.
    """

    name: str
    what: str
    command: tuple[str, ...]

    def arguments(self, port: int) -> list[str]:
        """The command line for a port."""
        return [part.replace("{port}", str(port)) for part in self.command]


def _uvicorn(
    app: str, workers: int = 1, *, folder: Path = APPS, lifespan: str = "off", ws: str = "none"
) -> tuple[str, ...]:
    return (
        *(str(PYTHON), "-m", "uvicorn", app, "--app-dir", str(folder), "--host", "127.0.0.1", "--port", "{port}"),
        *("--workers", str(workers), "--loop", "uvloop", "--http", "httptools", "--ws", ws),
        *("--lifespan", lifespan, "--no-access-log", "--log-level", "warning", "--timeout-keep-alive", "75"),
    )


def _granian(
    app: str, *options: str, workers: int = 1, folder: Path = APPS, interface: str = "asginl", ws: str = "--no-ws"
) -> tuple[str, ...]:
    return (
        *(str(VENV / "bin" / "granian"), "--interface", interface, "--host", "127.0.0.1", "--port", "{port}"),
        *("--workers", str(workers), "--loop", "uvloop", "--http", "1", ws, "--no-access-log"),
        *("--log-level", "warning", "--working-dir", str(folder), *options, app),
    )


def _tuned_granian(app: str, mode: str = "st", workers: int = 1) -> tuple[str, ...]:
    return _granian(app, *_tuning(mode), workers=workers)


def _tuning(mode: str = "st") -> tuple[str, ...]:
    # Chosen by measurement: each of these gains something, the flush a third to a half under pipelining.
    tuning = ("--runtime-mode", mode, "--task-impl", "rust", "--http1-pipeline-flush")
    return (*tuning, "--backlog", "2048", "--backpressure", "2048")


def _covet(
    python: Path, *options: str, workers: int = 1, app: str = "covet_app:app", folder: Path = APPS
) -> tuple[str, ...]:
    return (
        *(str(python), "-m", "covet", "run", app, "--app-dir", str(folder), "--host", "127.0.0.1"),
        *("--port", "{port}", "--workers", str(workers), "--no-access-log", "--log-level", "warning"),
        *("--timeout-keep-alive", "75", "--worker-connections", "16384", *options),
    )


def _robyn() -> tuple[str, ...]:
    options = ("--processes", "1", "--workers", "1", "--log-level", "ERROR", "--disable-openapi")
    return (str(PYTHON), str(APPS / "robyn_app.py"), *options, "{port}")


def all_peers(covet_python: Path) -> dict[str, Peer]:
    """Every server by its name.

    Args:
        covet_python: the interpreter whose environment has covet.
    """
    peers = (
        Peer("covet", "covet: Python handler; constant route: its engine", _covet(covet_python)),
        Peer("covet-pinned", "covet --pin-workers, Python handler", _covet(covet_python, "--pin-workers")),
        Peer("uvicorn-raw", "raw ASGI callable on uvicorn", _uvicorn("raw:app")),
        Peer("granian-raw", "raw ASGI callable on granian, tuned", _tuned_granian("raw:app")),
        Peer("granian-mt", "raw ASGI callable on granian, tuned, mt runtime", _tuned_granian("raw:app", "mt")),
        Peer("granian-defaults", "raw ASGI callable on granian, untuned", _granian("raw:app")),
        Peer("starlette", "JSONResponse, Starlette on uvicorn", _uvicorn("starlette_app:app")),
        Peer("fastapi", "typed handler, FastAPI on uvicorn", _uvicorn("fastapi_app:app")),
        Peer("robyn", "handler, dict out, Robyn", _robyn()),
        Peer("actix", "constant answer, actix-web", (str(CARGO / "release" / "bench-actix"), "{port}")),
        Peer("may", "constant answer, may_minihttp", (str(CARGO / "release" / "bench-may"), "{port}")),
        Peer("nginx", "constant answer, nginx", (sys.executable, str(APPS / "nginx_peer.py"), str(WORK), "{port}")),
        Peer("uvicorn-sleep", "raw ASGI callable on uvicorn", _uvicorn("raw:sleep")),
        Peer("granian-sleep", "raw ASGI callable on granian, tuned", _tuned_granian("raw:sleep")),
        Peer("uvicorn-upload", "raw ASGI callable on uvicorn", _uvicorn("raw:upload")),
        Peer("granian-upload", "raw ASGI callable on granian, tuned", _tuned_granian("raw:upload")),
        Peer("uvicorn-download", "raw ASGI callable on uvicorn", _uvicorn("raw:download")),
        Peer("granian-download", "raw ASGI callable on granian, tuned", _tuned_granian("raw:download")),
        *_apis(covet_python),
        *_several(covet_python),
        *_notes(covet_python),
        *_sockets(covet_python),
    )
    return {peer.name: peer for peer in peers}


def _several(covet_python: Path) -> tuple[Peer, ...]:
    """Those with two workers each."""
    return (
        Peer("covet-2", "covet, Python handler, 2 workers", _covet(covet_python, workers=2)),
        Peer("uvicorn-raw-2", "raw ASGI callable on uvicorn, 2 workers", _uvicorn("raw:routed", 2)),
        Peer(
            "granian-raw-2", "raw ASGI callable on granian, tuned, 2 workers", _tuned_granian("raw:routed", workers=2)
        ),
        Peer(
            *("granian-mt-2", "raw ASGI callable on granian, tuned, mt runtime, 2 workers"),
            _tuned_granian("raw:routed", "mt", 2),
        ),
        Peer(
            *("granian-defaults-2", "raw ASGI callable on granian, untuned, 2 workers"),
            _granian("raw:routed", workers=2),
        ),
        Peer("fastapi-2", "typed handler, FastAPI on uvicorn, 2 workers", _uvicorn("fastapi_app:app", 2)),
    )


def _apis(covet_python: Path) -> tuple[Peer, ...]:
    """The same API in four frameworks."""
    granian, what = ("--task-impl", "rust"), "API, {}"
    return (
        Peer("covet-api", what.format("covet"), _covet(covet_python, app="api_covet:app")),
        Peer("fastapi-api", what.format("FastAPI on uvicorn"), _uvicorn("api_fastapi:app")),
        Peer(
            *("litestar-api", what.format("Litestar on granian")),
            _granian("api_litestar:app", *granian, interface="asgi"),
        ),
        Peer(
            *("blacksheep-api", what.format("BlackSheep on granian")),
            _granian("api_blacksheep:app", *granian, interface="asgi"),
        ),
    )


def _notes(covet_python: Path) -> tuple[Peer, ...]:
    """The example application, the same object under each server, with four workers each."""
    app, what = "notes:app", "example application, {}, 4 workers"
    return (
        Peer("covet-notes-4", what.format("covet"), _covet(covet_python, workers=4, app=app, folder=EXAMPLES)),
        Peer(
            *("uvicorn-notes-4", what.format("as ASGI on uvicorn")),
            _uvicorn(app, 4, folder=EXAMPLES, lifespan="on"),
        ),
        Peer(
            *("granian-notes-4", what.format("as ASGI on granian, tuned")),
            _granian(app, *_tuning(), workers=4, folder=EXAMPLES, interface="asgi"),
        ),
    )


def _sockets(covet_python: Path) -> tuple[Peer, ...]:
    """Those that speak WebSocket. uvicorn has two protocols over the same package; its default is sansio."""
    what, asgi = "{} WebSocket handlers, {}", ("raw_ws:app", "fastapi_ws:app")
    raw, old, sansio = "raw ASGI", "websockets", "websockets-sansio"
    return (
        Peer("covet-ws", "WebSocket handlers, topics in the engine, covet", _covet(covet_python, app="covet_ws:app")),
        Peer("uvicorn-ws", what.format(raw, "uvicorn, websockets"), _uvicorn(asgi[0], ws=old)),
        Peer("uvicorn-sansio-ws", what.format(raw, "uvicorn, websockets-sansio"), _uvicorn(asgi[0], ws=sansio)),
        Peer("fastapi-ws", what.format("FastAPI", "uvicorn, websockets-sansio"), _uvicorn(asgi[1], ws=sansio)),
        Peer("granian-ws", what.format(raw, "granian, tuned"), _granian(asgi[0], *_tuning(), ws="--ws")),
        Peer(
            "granian-mt-ws",
            what.format(raw, "granian, tuned, mt runtime"),
            _granian(asgi[0], *_tuning("mt"), ws="--ws"),
        ),
        Peer("granian-defaults-ws", what.format(raw, "granian, untuned"), _granian(asgi[0], ws="--ws")),
    )


def matches(name: str, wanted: tuple[str, ...]) -> bool:
    """Whether a peer is among those asked for; "uvicorn" also means "uvicorn-raw" and its like."""
    return not wanted or any(fnmatch(name, pattern) or name.startswith(f"{pattern}-") for pattern in wanted)
