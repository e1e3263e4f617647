"""Notes in SQLite. Every function here blocks."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import local

import msgspec

SCHEMA = """
CREATE TABLE IF NOT EXISTS notes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    tag TEXT,
    changed TEXT NOT NULL
)
"""
COLUMNS = "id, title, text, tag, changed"
LAST_ID = 2**63 - 1  # of SQLite


class Note(msgspec.Struct):
    """A row."""

    id: int
    title: str
    text: str
    tag: str | None
    changed: str


class Store:
    """The notes of one database file.

    Args:
        path: the file; None keeps the notes in a temporary folder until `close`.
    """

    def __init__(self, path: str | None = None) -> None:
        self._folder = TemporaryDirectory() if path is None else None
        self._path = str(Path(self._folder.name) / "notes.db") if self._folder is not None else path
        # A connection belongs to the thread that has opened it.
        self._threads = local()
        with self._connection() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(SCHEMA)

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._threads, "connection", None)
        if connection is None:
            connection = self._threads.connection = sqlite3.connect(str(self._path), timeout=10)
            connection.row_factory = sqlite3.Row
        return connection

    def add(self, title: str, text: str, tag: str | None) -> Note:
        """Adds a note and returns it."""
        query = f"INSERT INTO notes (title, text, tag, changed) VALUES (?, ?, ?, ?) RETURNING {COLUMNS}"
        with self._connection() as connection:
            return Note(*connection.execute(query, (title, text, tag, _now())).fetchone())

    def get(self, note_id: int) -> Note | None:
        """The note, or None."""
        row = self._connection().execute(f"SELECT {COLUMNS} FROM notes WHERE id = ?", (note_id,)).fetchone()
        return None if row is None else Note(*row)

    def page(self, limit: int, after: int, tag: str | None) -> list[Note]:
        """Up to `limit` notes with numbers above `after`, in order."""
        query = f"SELECT {COLUMNS} FROM notes WHERE id > ? AND (? IS NULL OR tag = ?) ORDER BY id LIMIT ?"
        return [Note(*row) for row in self._connection().execute(query, (after, tag, tag, limit))]

    def change(self, note_id: int, title: str, text: str, tag: str | None) -> Note | None:
        """Replaces a note's contents and returns it, or None if there is none."""
        query = f"UPDATE notes SET title = ?, text = ?, tag = ?, changed = ? WHERE id = ? RETURNING {COLUMNS}"
        with self._connection() as connection:
            row = connection.execute(query, (title, text, tag, _now(), note_id)).fetchone()
        return None if row is None else Note(*row)

    def remove(self, note_id: int) -> bool:
        """Removes a note; whether there was one."""
        with self._connection() as connection:
            return connection.execute("DELETE FROM notes WHERE id = ?", (note_id,)).rowcount > 0

    def all(self) -> Iterator[Note]:
        """Every note, in order, without holding them all in memory."""
        after = 0
        while page := self.page(500, after, None):
            yield from page
            after = page[-1].id

    def close(self) -> None:
        """Removes the temporary folder if there is one."""
        if self._folder is not None:
            self._folder.cleanup()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
