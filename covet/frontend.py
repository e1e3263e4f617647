"""Builds of frontend tools: a folder of files below a path, where no handler is."""

import inspect
import os
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from covet.apiroute import APIRoute
from covet.exceptions import HTTPException
from covet.requests import Request
from covet.responses import Response, Scope
from covet.routing import match_kinds
from covet.staticfiles import PathLike, StaticFiles
from covet.urls import no_match

if TYPE_CHECKING:
    from collections.abc import Mapping

    from covet.core import Exchange
    from covet.interfaces import CallEntry
    from covet.requests import Context
    from covet.urls import URLPath

Fallback = Literal["auto", "index.html", "404.html"] | None
FALLBACKS = ("auto", "index.html", "404.html", None)
PAGES = ("text/html", "application/xhtml+xml")
ENVIRONMENTS = ("COVET_ENV", "FASTAPI_ENV")


class FrontendFiles(StaticFiles):
    """The files of a build, and a page for paths that the page itself routes.

    Args:
        directory: the folder.
        fallback: what answers paths without a file: "404.html" with status 404, "index.html" for whoever accepts
            HTML, "auto" for the one of them that exists, None for neither.
        check_dir: refuse a folder or a fallback that does not exist at once.

    Raises:
        AssertionError: there is no such fallback.
        RuntimeError: the folder or the fallback does not exist.
    """

    def __init__(self, directory: PathLike, fallback: Fallback, *, check_dir: bool) -> None:
        if fallback not in FALLBACKS:
            raise AssertionError("fallback must be 'auto', 'index.html', '404.html', or None")
        if check_dir and not os.path.isdir(directory):
            raise RuntimeError(no_directory(directory))
        super().__init__(directory=directory, html=True, check_dir=check_dir)
        self.fallback = fallback
        if check_dir and fallback not in ("auto", None):
            self._page(fallback)

    def missing(self, scope: Scope) -> Response:
        if self.fallback == "404.html" or (self.fallback == "auto" and self._file("404.html") is not None):
            return self.file_response(*self._page("404.html"), scope, status_code=404)
        shows = self.fallback == "index.html" or (self.fallback == "auto" and self._file("index.html") is not None)
        if shows and accepts_pages(Request(scope).headers.get("accept", "")):
            return self.file_response(*self._page("index.html"), scope)
        raise HTTPException(404)

    def refusal(self, path: str) -> HTTPException:
        """What answers other methods than GET and HEAD: 405 if there is a file, else 404."""
        if self._file(path) is None and self._file(os.path.join(path, "index.html")) is None:
            return HTTPException(404)
        return HTTPException(405, headers={"Allow": "GET, HEAD"})

    def _page(self, name: str) -> tuple[str, os.stat_result]:
        """The file of a fallback. Raises RuntimeError if it does not exist."""
        found = self._file(name)
        if found is None:
            assert self.directory is not None
            raise RuntimeError(
                f"Frontend fallback file '{name}' does not exist in directory '{self.directory}'. "
                f"Resolved absolute directory: '{os.path.realpath(self.directory)}'"
            )
        return found


def accepts_pages(accept: str) -> bool:
    """Whether an Accept field names HTML (RFC 9110, section 12.5.1)."""
    for each in accept.split(","):
        media_type, *parameters = (part.strip().lower() for part in each.split(";"))
        if media_type in PAGES:
            quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
            if quality.strip("0.") or not quality:
                return True
    return False


class Below:
    """Files below a path.

    Args:
        files: the files.
        path: where they are, such as "/app".
    """

    def __init__(self, files: FrontendFiles, path: str) -> None:
        self.files = files
        self.prefix = path.rstrip("/")

    def path_of(self, x: "Exchange") -> str:
        """The path of the file that a request asks for, within the folder, without "." and ".."."""
        return os.path.normpath(os.path.join(*x.path[len(self.prefix) :].split("/")))

    async def answer(self, request: Request, response: Response) -> Response:
        """The file, or what stands for it, with the header fields that dependencies have set."""
        self.files.check_config()
        found = await self.files.get_response(self.path_of(request.exchange), request.scope)
        found.raw_headers.extend(response.raw_headers)
        return found

    def refusal(self, x: "Exchange") -> HTTPException:
        """What answers other methods than GET and HEAD."""
        self.files.check_config()
        return self.files.refusal(self.path_of(x))


class FrontendRoute(APIRoute):
    """What answers paths that no other route has: a path whose routes have other methods is not its own.

    Args:
        path: where the files are, with whatever prefixes routers have.
        endpoint: `Below.answer`.
        options: see RouteOptions.
    """

    last_resort = True
    has_operations = False

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        path = path.rstrip("/") or "/"
        self.below = Below(endpoint.__self__.files, path)  # type: ignore[attr-defined]  # a copy has another path
        super().__init__(path, self.below.answer, **options)

    @property
    def path_format(self) -> str:
        """The path as telemetry has it."""
        return f"{self.below.prefix}/{{path}}"

    @property
    def shape(self) -> str:
        """The pattern of everything below the path."""
        return f"{self.below.prefix}/{{path}}"

    def path_for(self, name: str, params: "Mapping[str, Any]") -> "URLPath":
        raise no_match(name, params)

    def matches(self, scope: "Mapping[str, Any]") -> tuple[Any, dict[str, Any]]:
        """Never: tools take the first route that matches, and a frontend comes after all others."""
        return match_kinds().NONE, {}

    def make_entry(self, context: "Context", *, generate: bool) -> "CallEntry":
        made = super().make_entry(context, generate=generate)
        assert made is not None  # the handler wants the request
        inside = made[0]

        async def call(x: "Exchange") -> Any:
            if x.method not in self.methods:
                raise self.below.refusal(x)
            result = inside(x)
            return await result if inspect.isawaitable(result) else result

        return (call, *made[1:])


def no_directory(directory: PathLike) -> str:
    """What is said of a folder that does not exist."""
    return f"Frontend directory '{directory}' does not exist. Resolved absolute path: '{os.path.realpath(directory)}'"


def checked(directory: PathLike, check_dir: bool | Literal["auto"]) -> bool:
    """Whether to look for the folder at once; "auto" only warns in development."""
    if check_dir != "auto":
        return check_dir
    if next((os.environ[name] for name in ENVIRONMENTS if name in os.environ), None) != "development":
        return True
    if not os.path.isdir(directory):
        warnings.warn(no_directory(directory), stacklevel=3)
    return False
