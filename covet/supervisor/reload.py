"""Watches the application's files."""

import asyncio
import fnmatch
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from covet.checks import ConfigError
from covet.options import ServeOptions

if TYPE_CHECKING:
    from watchfiles import Change

INCLUDES = ("*.py",)
EXCLUDES = (".*", "*.py[cod]", "*.sw.*", "*~")


class FileWatch:
    """Tells when a file has changed.

    Args:
        options: the folders and patterns.

    Raises:
        ConfigError: the package watchfiles is not installed, or a folder does not exist.
    """

    def __init__(self, options: ServeOptions) -> None:
        try:
            import watchfiles
        except ImportError:
            raise ConfigError("reload needs watchfiles, which is not installed: pip install watchfiles") from None
        self._watchfiles = watchfiles
        self._folders = [Path(folder).resolve() for folder in options.reload_dirs or (options.app_dir or ".",)]
        for folder in self._folders:
            if not folder.is_dir():
                raise ConfigError(f"reload_dirs: there is no folder {folder}")
        self._wanted = Patterns(options.reload_includes, options.reload_excludes, self._folders)
        self._rest_ms = max(1, round(options.reload_delay * 1000))
        self._changed: asyncio.Queue[list[str]] = asyncio.Queue()

    async def run(self) -> None:
        """Watches until it is cancelled."""
        watch = self._watchfiles.awatch(
            *self._folders, watch_filter=self._filter, debounce=max(self._rest_ms, 1600), step=self._rest_ms
        )
        async for changes in watch:
            self._changed.put_nowait(sorted({path for _, path in changes}))

    def _filter(self, change: "Change", path: str) -> bool:
        return self._wanted.fit(Path(path))

    async def changes(self) -> list[str]:
        """Waits for the next change and returns the files, in quotes and relative to the working folder if in it."""
        files = await self._changed.get()
        while not self._changed.empty():
            files += self._changed.get_nowait()
        return [_shown(file) for file in files]


class Patterns:
    """Which files matter.

    Args:
        includes: patterns of names beside *.py.
        excludes: patterns of names or paths of files and folders, beside hidden and temporary ones.
        roots: the folders that are watched.
    """

    def __init__(self, includes: Sequence[str], excludes: Sequence[str], roots: Sequence[Path]) -> None:
        self._includes = (*INCLUDES, *includes)
        self._excludes = (*EXCLUDES, *excludes)
        self._roots = roots

    def fit(self, path: Path) -> bool:
        """Whether a change of the file matters."""
        root = next((root for root in self._roots if path.is_relative_to(root)), None)
        parts = path.relative_to(root).parts if root is not None else path.parts
        if not any(_matches(path.name, path, pattern) for pattern in self._includes):
            return False
        folders = [(part, path.parents[len(parts) - 2 - n]) for n, part in enumerate(parts[:-1])]
        named = [*folders, (path.name, path)]
        return not any(_matches(name, one, pattern) for name, one in named for pattern in self._excludes)


def _matches(name: str, path: Path, pattern: str) -> bool:
    return fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(str(path), str(Path(pattern).absolute()))


def _shown(file: str) -> str:
    path = Path(file)
    return f"'{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}'"
