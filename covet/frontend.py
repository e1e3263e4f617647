"""Builds of frontend tools: a folder of files below a path, where no handler is."""

import os
import warnings
from collections.abc import Awaitable, Callable
from typing import Literal

from covet.exceptions import HTTPException
from covet.requests import Request
from covet.responses import Response, Scope
from covet.staticfiles import PathLike, StaticFiles

Fallback = Literal["auto", "index.html", "404.html"] | None
PAGES = ("text/html", "application/xhtml+xml")


class FrontendFiles(StaticFiles):
    """The files of a build, and a page for paths that the page itself routes.

    Args:
        directory: the folder.
        fallback: what answers paths without a file: "404.html" with status 404, "index.html" for whoever accepts
            HTML, "auto" for the one of them that exists, None for neither.
        check_dir: refuse a folder or a fallback that does not exist at once.

    Raises:
        RuntimeError: the folder or the fallback does not exist.
    """

    def __init__(self, directory: PathLike, fallback: Fallback, *, check_dir: bool) -> None:
        where = os.path.abspath(directory)
        if check_dir and not os.path.isdir(directory):
            raise RuntimeError(f"Frontend directory '{directory}' does not exist; as an absolute path it is '{where}'")
        super().__init__(directory=directory, html=True, check_dir=check_dir)
        self.fallback = fallback
        if check_dir and fallback not in ("auto", None) and not os.path.isfile(os.path.join(where, fallback)):
            raise RuntimeError(f"Frontend fallback file '{fallback}' does not exist in '{where}'")

    def missing(self, scope: Scope) -> Response:
        if self.fallback != "index.html" and self.fallback is not None:
            found = self._file("404.html")
            if found is not None:
                return self.file_response(*found, scope, status_code=404)
        if self.fallback in ("auto", "index.html") and accepts_pages(Request(scope).headers.get("accept", "")):
            found = self._file("index.html")
            if found is not None:
                return self.file_response(*found, scope)
        raise HTTPException(404)


def accepts_pages(accept: str) -> bool:
    """Whether an Accept field names HTML (RFC 9110, section 12.5.1)."""
    for each in accept.split(","):
        media_type, *parameters = (part.strip().lower() for part in each.split(";"))
        if media_type in PAGES:
            quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
            if quality.strip("0.") or not quality:
                return True
    return False


def endpoint_of(files: FrontendFiles) -> Callable[..., Awaitable[Response]]:
    """A handler that answers with the files."""

    async def frontend(request: Request) -> Response:
        files.check_config()
        path = str(request.path_params.get("frontend_path", ""))
        return await files.get_response(os.path.normpath(os.path.join(*path.split("/"))), request.scope)

    return frontend


def checked(directory: PathLike, check_dir: bool | Literal["auto"]) -> bool:
    """Whether to look for the folder at once; "auto" only warns while FASTAPI_ENV is "development"."""
    if check_dir != "auto":
        return check_dir
    if os.environ.get("FASTAPI_ENV") != "development":
        return True
    if not os.path.isdir(directory):
        warnings.warn(f"Frontend directory '{directory}' does not exist; build it before a request comes", stacklevel=4)
    return False
