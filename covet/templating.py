"""HTML from Jinja2 templates, in Starlette's shapes."""

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

from covet.background import BackgroundTask
from covet.core import Exchange
from covet.requests import Request
from covet.responses import Answer, HTMLResponse, Receive, Scope, Send

if TYPE_CHECKING:
    import jinja2

ContextProcessor = Callable[[Request], dict[str, Any]]
Directory = str | PathLike[str] | Sequence[str | PathLike[str]]

DEBUG = "http.response.debug"
"""The ASGI extension by which test clients learn of templates."""


class TemplateResponse(HTMLResponse):
    """A rendered template.

    Args:
        template: the Jinja2 template.
        context: what it was rendered with.
        status_code: from 200 to 599.
        headers: header fields.
        media_type: the Content-Type.
        background: what is done after the response has been sent.
    """

    def __init__(
        self,
        template: Any,
        context: dict[str, Any],
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        background: BackgroundTask | None = None,
    ) -> None:
        self.template = template
        self.context = context
        super().__init__(template.render(context), status_code, headers, media_type, background)

    def answer(self, x: Exchange) -> Answer:
        tell = getattr(x, "tell_debug", None)  # over an ASGI server
        if tell is not None:
            tell(self._debug())
        return super().answer(x)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if DEBUG in scope.get("extensions", ()):
            await send({"type": DEBUG, "info": self._debug()})
        await super().__call__(scope, receive, send)

    def _debug(self) -> dict[str, Any]:
        return {"template": self.template, "context": self.context}


class Jinja2Templates:
    """Renders the templates of a folder. In them, `request` is the request and `url_for(name, **params)` a route's URL.

    Args:
        directory: the folder, or several, which are searched in order; values in .html, .htm and .xml are escaped.
        context_processors: functions that give further variables for a request.
        env: a Jinja2 environment, instead of a directory.

    Raises:
        ImportError: jinja2 is not installed.
        ValueError: neither a directory nor an environment was given, or both.
    """

    def __init__(
        self,
        directory: Directory | None = None,
        *,
        context_processors: list[ContextProcessor] | None = None,
        env: "jinja2.Environment | None" = None,
    ) -> None:
        if (directory is None) == (env is None):
            raise ValueError("Jinja2Templates needs either a directory or env")
        self.context_processors = context_processors or []
        self.env = _environment(directory) if env is None else env
        self.env.globals.setdefault("url_for", _url_for())

    def get_template(self, name: str) -> "jinja2.Template":
        """The template of a file. Raises jinja2.TemplateNotFound."""
        return self.env.get_template(name)

    def TemplateResponse(
        self,
        request: Request,
        name: str,
        context: dict[str, Any] | None = None,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        background: BackgroundTask | None = None,
    ) -> TemplateResponse:
        """The response with a rendered template.

        Args:
            request: the request that is answered.
            name: the template's file.
            context: variables for the template.
            status_code: from 200 to 599.
            headers: header fields.
            media_type: the Content-Type, if it is not HTML.
            background: what is done after the response has been sent.
        """
        context = {} if context is None else context
        context.setdefault("request", request)
        for processor in self.context_processors:
            context.update(processor(request))
        return TemplateResponse(self.get_template(name), context, status_code, headers, media_type, background)


def _jinja2() -> Any:
    try:
        import jinja2
    except ImportError as error:
        raise ImportError("Jinja2Templates needs jinja2: pip install jinja2") from error
    return jinja2


def _environment(directory: Any) -> "jinja2.Environment":
    module = _jinja2()
    environment: jinja2.Environment = module.Environment(
        loader=module.FileSystemLoader(directory), autoescape=module.select_autoescape()
    )
    return environment


def _url_for() -> Callable[..., Any]:
    def url_for(context: Any, name: str, /, **path_params: Any) -> Any:
        return context["request"].url_for(name, **path_params)

    url_for_in_context: Callable[..., Any] = _jinja2().pass_context(url_for)
    return url_for_in_context
