"""Folders of files, in Starlette's shape."""

import errno
import os
import stat
from collections.abc import Sequence

from covet.conditions import not_modified
from covet.datastructures import URL, Headers
from covet.exceptions import HTTPException
from covet.fileresponses import FileResponse
from covet.responses import Receive, RedirectResponse, Response, Scope, Send

PathLike = str | os.PathLike[str]

NOT_MODIFIED = ("cache-control", "content-location", "date", "etag", "expires", "vary")
"""The fields of a 304 (RFC 9110, section 15.4.5)."""
HIDDEN = (errno.ENAMETOOLONG, errno.ELOOP)
"""Errors of paths that no file can have."""


class StaticFiles:
    """Serves the files of folders: `app.mount("/static", StaticFiles(directory="static"))`.

    Nothing outside of the folders is served: neither by "..", however it is encoded, nor by symbolic links that
    lead out of them, unless `follow_symlink` allows it.

    Args:
        directory: a folder.
        packages: names of packages that have a folder "statics", or pairs of a name and another folder.
        html: serve index.html for folders, and 404.html where there is nothing.
        check_dir: refuse a folder that does not exist at once, and not with the first request.
        follow_symlink: serve what symbolic links lead to, wherever it is.

    Raises:
        RuntimeError: the folder does not exist.
        ValueError: a package or its folder does not exist.
    """

    def __init__(
        self,
        *,
        directory: PathLike | None = None,
        packages: Sequence[str | tuple[str, str]] | None = None,
        html: bool = False,
        check_dir: bool = True,
        follow_symlink: bool = False,
    ) -> None:
        self.directory = directory
        self.packages = packages
        self.html = html
        self.follow_symlink = follow_symlink
        self.all_directories = self.get_directories(directory, packages)
        self.config_checked = False
        if check_dir and directory is not None and not os.path.isdir(directory):
            raise RuntimeError(f"Directory '{directory}' does not exist")

    def get_directories(
        self, directory: PathLike | None = None, packages: Sequence[str | tuple[str, str]] | None = None
    ) -> list[PathLike]:
        """The folders to serve, in order. Raises ValueError for a package that has none."""
        folders: list[PathLike] = [] if directory is None else [directory]
        return folders + [_folder_of(package) for package in packages or ()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one ASGI 3 connection.

        Raises:
            HTTPException: 404, 405 or 401: there is nothing, or it is not to be read.
        """
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000, "reason": ""})
            return
        if scope["type"] != "http":
            raise ValueError(f"StaticFiles does not know ASGI scopes of type {scope['type']!r}")
        response = await self.response_to(scope)
        await response(scope, receive, send)

    async def response_to(self, scope: Scope) -> Response:
        """The response to a request, for an application that sends it. Raises as `get_response`."""
        self.check_config()
        return await self.get_response(self.get_path(scope), scope)

    def check_config(self) -> None:
        """Raises RuntimeError if the folder does not exist; it is looked for once."""
        if self.config_checked:
            return
        if self.directory is not None and not os.path.isdir(self.directory):
            raise RuntimeError(f"StaticFiles directory '{self.directory}' does not exist.")
        self.config_checked = True

    def get_path(self, scope: Scope) -> str:
        """The path of the file that a request asks for, within the folders, without "." and ".."."""
        path: str = scope["path"]
        root: str = scope.get("root_path", "")
        if root and (path == root or path.startswith(root.rstrip("/") + "/")):
            path = path[len(root) :]
        return os.path.normpath(os.path.join(*path.split("/")))

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The response to a request. It may be overridden, to add header fields for example.

        Args:
            path: the path within the folders.
            scope: the request's scope.

        Raises:
            HTTPException: 404, 405 or 401: there is nothing, or it is not to be read.
        """
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        found = self._found(path)
        if found is not None and stat.S_ISREG(found[1].st_mode):
            return self.file_response(*found, scope)
        if self.html:
            if found is not None and stat.S_ISDIR(found[1].st_mode):
                index = self._file(os.path.join(path, "index.html"))
                if index is not None:
                    return self._index(index, scope)
            return self.missing(scope)
        raise HTTPException(404)

    def missing(self, scope: Scope) -> Response:
        """The response where there is no file, in html mode. Raises HTTPException."""
        page = self._file("404.html")
        if page is None:
            raise HTTPException(404)
        return FileResponse(page[0], stat_result=page[1], status_code=404)

    def _file(self, path: str) -> tuple[str, os.stat_result] | None:
        """`_found` for regular files alone."""
        found = self._found(path)
        return found if found is not None and stat.S_ISREG(found[1].st_mode) else None

    def _index(self, index: tuple[str, os.stat_result], scope: Scope) -> Response:
        if scope["path"].endswith("/"):
            return self.file_response(*index, scope)
        url = URL(scope=scope)
        return RedirectResponse(url.replace(path=url.path + "/"))  # what the page refers to is below its folder

    def _found(self, path: str) -> tuple[str, os.stat_result] | None:
        """Where a file or folder is, and what it is; None if there is nothing. Raises HTTPException."""
        try:
            full_path, found = self.lookup_path(path)
        except PermissionError:
            raise HTTPException(401) from None
        except ValueError:  # a NUL in the path
            raise HTTPException(404) from None
        except OSError as error:
            if error.errno in HIDDEN:
                raise HTTPException(404) from None
            raise
        return None if found is None else (full_path, found)

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Where a path within the folders leads, and what is there; None if it is nothing or outside.

        Raises:
            OSError: it cannot be looked at.
            ValueError: it can be no path.
        """
        if path.startswith(("/", "\\")):
            return "", None
        for folder in self.all_directories:
            where = os.path.join(folder, path)
            if self.follow_symlink:
                full_path, top = os.path.abspath(where), os.path.abspath(folder)
            else:
                full_path, top = os.path.realpath(where), os.path.realpath(folder)
            if full_path != top and not full_path.startswith(top.rstrip("/") + "/"):
                continue
            try:
                return full_path, os.stat(full_path)
            except (FileNotFoundError, NotADirectoryError):
                continue
        return "", None

    def file_response(
        self, full_path: PathLike, stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """The response with a file, or 304 if the client has it as it is."""
        response = FileResponse(full_path, status_code, stat_result=stat_result)
        response.follow_symlink = self.follow_symlink
        if self.is_not_modified(response.headers, _fields_of(scope)):
            return NotModifiedResponse(response.headers)
        return response

    def is_not_modified(self, response_headers: Headers, request_headers: Headers) -> bool:
        """Whether the client has the file as it is."""
        return not_modified(
            request_headers.get("if-none-match"),
            request_headers.get("if-modified-since"),
            response_headers["etag"],
            response_headers["last-modified"],
        )


class NotModifiedResponse(Response):
    """304, with those fields of the response in whose place it is that a 304 has.

    Args:
        headers: the fields of that response.
    """

    def __init__(self, headers: Headers) -> None:
        super().__init__(None, 304, {name: value for name, value in headers.items() if name in NOT_MODIFIED})


def _fields_of(scope: Scope) -> Headers:
    return Headers(raw=[(name, value) for name, value in scope["headers"]])


def _folder_of(package: str | tuple[str, str]) -> str:
    from importlib.util import find_spec

    name, folder = package if isinstance(package, tuple) else (package, "statics")
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ValueError(f"Package {name!r} could not be found.")
    path = os.path.normpath(os.path.join(spec.origin, "..", folder))
    if not os.path.isdir(path):
        raise ValueError(f"Directory {folder!r} in package {name!r} could not be found.")
    return path
