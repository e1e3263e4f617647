"""Notes: a small JSON API over SQLite.

Run it with `covet run notes:app --app-dir examples`. NOTES_DATABASE names the
database file; without it the notes are gone when the server stops.
"""

from notes.api import app as app
