"""A running server's figures, over a unix socket: the supervisor's side and `covet status`'s side."""

import asyncio
import errno
import json
import logging
import os
import socket
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from covet.statustable import format_table as format_table
from covet.usage import cpu_seconds, resident_bytes

logger = logging.getLogger("covet.error")

REQUEST = b"status\n"
MOST_REQUEST_BYTES = 64
MOST_ANSWER_BYTES = 4 * 1024 * 1024
CLIENT_SECONDS = 5.0
MODE = 0o600
SUFFIX = ".sock"


class StatusError(Exception):
    """A server's figures cannot be had or offered; the text says why and what to do."""


# ---- where sockets are -------------------------------------------------------------


def _temporary_folder() -> Path:
    """As `tempfile.gettempdir`, which takes 0.7 MB for as long as the server runs."""
    named = (os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    folders = [*filter(None, named), "/tmp", "/var/tmp"]
    return Path(next((folder for folder in folders if os.access(folder, os.W_OK | os.X_OK)), folders[-1]))


def default_socket(pid: int) -> Path:
    """Where the server with this process number offers its figures, if it was not told another place.

    It is `$XDG_RUNTIME_DIR/covet-<pid>.sock` if that folder is this user's own, or `covet-<user id>-<pid>.sock` in
    the folder for temporary files.

    Args:
        pid: the number of the server's first process.
    """
    runtime = _runtime_folder()
    if runtime is not None:
        return runtime / f"covet-{pid}{SUFFIX}"
    return _temporary_folder() / f"covet-{os.getuid()}-{pid}{SUFFIX}"


def socket_of(pid_file: str | Path) -> Path:
    """The default socket of the server that has written a pid file.

    Args:
        pid_file: the file.

    Raises:
        StatusError: the file cannot be read, or does not hold a number.
    """
    try:
        text = Path(pid_file).read_text(encoding="ascii").strip()
    except OSError as error:
        raise StatusError(f"{pid_file}: {error.strerror}; is the server running?") from None
    except UnicodeDecodeError:
        text = ""
    if not text.isdigit():
        raise StatusError(f"{pid_file} does not hold the number of a process")
    return default_socket(int(text))


def find_sockets() -> list[Path]:
    """The default sockets of this user's running servers, for root those of all users; the oldest first."""
    user = os.getuid()
    runtime = _runtime_folder()
    folders = [] if runtime is None else [(runtime, "covet-*")]
    folders.append((_temporary_folder(), "covet-*" if user == 0 else f"covet-{user}-*"))
    found: dict[Path, float] = {}
    for folder, pattern in folders:
        for path in folder.glob(pattern + SUFFIX):
            with suppress(OSError):
                info = path.lstat()
                if stat.S_ISSOCK(info.st_mode) and (user == 0 or info.st_uid == user) and _listens(path):
                    found[path] = info.st_ctime
    return sorted(found, key=lambda path: found[path])


def only_socket() -> Path:
    """The default socket of this user's only running server.

    Raises:
        StatusError: no server runs, or several do.
    """
    found = find_sockets()
    if not found:
        raise StatusError("no running server was found; give its --control-socket if it has one of its own")
    if len(found) > 1:
        names = ", ".join(map(str, found))
        raise StatusError(f"several servers run; choose one by --control-socket: {names}")
    return found[0]


def _runtime_folder() -> Path | None:
    """$XDG_RUNTIME_DIR, if it is this user's: after su or sudo it may be another one's."""
    name = os.environ.get("XDG_RUNTIME_DIR")
    if not name or not os.path.isabs(name):
        return None
    try:
        info = os.stat(name)
    except OSError:
        return None
    return Path(name) if stat.S_ISDIR(info.st_mode) and info.st_uid == os.getuid() else None


def _listens(path: Path) -> bool:
    """Whether a process accepts connections at a socket. Raises OSError if that cannot be told."""
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        try:
            client.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except BlockingIOError:  # too many wait to be accepted, so somebody listens
            return True
    return True


# ---- the server's side -------------------------------------------------------------


class StatusServer:
    """Answers `covet status` on the running event loop.

    A client sends the line `status` and gets one JSON document; then the connection is closed.

    Args:
        path: where the socket is to be; its mode is 0600.
        get_status: gives what is to be shown, quickly.
    """

    def __init__(self, path: str | Path, get_status: Callable[[], Mapping[str, Any]]) -> None:
        self.path = Path(path)
        self._get_status = get_status
        self._server: asyncio.Server | None = None
        self._identity: tuple[int, int] | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listens. What another server has left at the path is replaced if nobody listens there.

        Raises:
            StatusError: the socket cannot be made.
        """
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            self._bind(listener)
            self._server = await asyncio.start_unix_server(self._accept, sock=listener, limit=MOST_REQUEST_BYTES)
        except BaseException:
            listener.close()
            self._remove()
            raise

    def _bind(self, listener: socket.socket) -> None:
        try:
            if self.path.is_socket() and not _listens(self.path):
                self.path.unlink(missing_ok=True)
            # The file has this mode from its first moment on: whoever could connect in between would stay connected.
            os.fchmod(listener.fileno(), MODE)
            listener.bind(str(self.path))
            listener.listen()
            info = self.path.lstat()
            self._identity = (info.st_dev, info.st_ino)
            self.path.chmod(MODE)
        except OSError as error:
            raise StatusError(f"the control socket {self.path} cannot be made: {_why_not(self.path, error)}") from None

    async def close(self) -> None:
        """Listens no more and removes the socket. Harmless twice."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            for task in self._clients:
                task.cancel()
            await asyncio.gather(*self._clients, return_exceptions=True)
        self._remove()

    def _remove(self) -> None:
        """Removes the socket unless it has become another server's."""
        identity, self._identity = self._identity, None
        if identity is None:
            return
        with suppress(OSError):
            info = self.path.lstat()
            if (info.st_dev, info.st_ino) == identity:
                self.path.unlink()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(CLIENT_SECONDS):
                # ValueError: the line is longer than the reader's limit.
                with suppress(OSError, ValueError):
                    writer.write(self._answer(await reader.readline()))
                    await writer.drain()
        except TimeoutError:
            pass
        finally:
            writer.close()

    def _answer(self, line: bytes) -> bytes:
        if line != REQUEST:
            return b'{"error": "the only request is status"}\n'
        try:
            return json.dumps(self._get_status()).encode() + b"\n"
        except Exception as error:
            logger.error("The status cannot be told", exc_info=error)
            return json.dumps({"error": f"the server cannot tell its status: {error}"}).encode() + b"\n"


def _why_not(path: Path, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another server listens there" if path.is_socket() else "there is a file that is no socket"
    if "too long" in str(error):
        return "its path is too long; give a shorter one with --control-socket"
    return error.strerror or str(error)


def describe(engine: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """What `covet status` shows: the engine's figures, and what its processes use.

    Args:
        engine: what `Engine.status` gives, called in the engine's process.
        more: what the supervisor adds, such as `address` or `target`.

    Returns:
        A document with `pid`, `version`, `rss` (bytes), `cpu` (seconds), the engine's figures, and for each worker
        also `worker` (its number in the log), `in_flight`, `rss` and `cpu`.
    """
    from covet import __version__

    own = os.getpid()
    return {
        "pid": own,
        "version": __version__,
        "rss": resident_bytes(own),
        "cpu": cpu_seconds(own),
        **engine,
        **more,
        "workers": [_describe_worker(worker) for worker in engine["workers"]],
    }


def _describe_worker(worker: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "worker": worker["place"] + 1,
        **worker,
        "in_flight": max(0, worker["begun"] - worker["finished"]),
        "rss": resident_bytes(worker["pid"]),
        "cpu": cpu_seconds(worker["pid"]),
    }


# ---- the client's side -------------------------------------------------------------


def fetch_status(path: str | Path) -> dict[str, Any]:
    """Asks a running server for its figures; blocks for 5 seconds at most.

    Args:
        path: the server's control socket.

    Raises:
        StatusError: no server answers there as it should.
    """
    end = time.monotonic() + CLIENT_SECONDS
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(CLIENT_SECONDS)
            client.connect(str(path))
            with suppress(BrokenPipeError):  # who speaks first and leaves has perhaps said something worth telling
                client.sendall(REQUEST)
            answer = b"".join(_chunks(client, end))
        if not answer:
            raise StatusError(f"what listens at {path} closed the connection without an answer")
        status = json.loads(answer)
    except TimeoutError:
        raise StatusError(f"the server at {path} did not answer within {CLIENT_SECONDS:g} s") from None
    except FileNotFoundError:
        raise StatusError(f"no server listens at {path}: there is no such socket") from None
    except ConnectionRefusedError:
        raise StatusError(f"no server listens at {path}: the one that made it has ended") from None
    except OSError as error:
        raise StatusError(f"{path}: {error.strerror or error}") from None
    except ValueError:
        raise StatusError(f"what listens at {path} is no control socket of covet") from None
    if not isinstance(status, dict):
        raise StatusError(f"what listens at {path} is no control socket of covet")
    if "error" in status:
        raise StatusError(f"{path}: {status['error']}")
    return status


def _chunks(client: socket.socket, end: float) -> Iterator[bytes]:
    """What a server sends, until it closes the connection."""
    size = 0
    while (left := end - time.monotonic()) > 0:
        client.settimeout(left)
        try:
            chunk = client.recv(65536)
        except ConnectionResetError:  # the request was not read: what came before it is the whole answer
            return
        size += len(chunk)
        if not chunk:
            return
        if size > MOST_ANSWER_BYTES:
            raise ValueError("the answer is too long")
        yield chunk
    raise TimeoutError
