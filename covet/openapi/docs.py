"""Pages that show an OpenAPI document: Swagger UI, ReDoc and Scalar, from files of this package."""

import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Any

from covet.encoders import jsonable_encoder
from covet.exceptions import HTTPException
from covet.responses import HTMLResponse, Response

ASSETS = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "redoc.standalone.js": "text/javascript; charset=utf-8",
    "scalar.standalone.js": "text/javascript; charset=utf-8",
    "favicon.png": "image/png",
}
"""The files that the pages load, and their content types."""

WEEK = 604800
SWAGGER_PARAMETERS: dict[str, Any] = {
    "dom_id": "#swagger-ui",
    "layout": "BaseLayout",
    "deepLinking": True,
    "showExtensions": True,
    "showCommonExtensions": True,
}
swagger_ui_default_parameters = SWAGGER_PARAMETERS


def asset(name: str, accepts: str = "gzip") -> Response:
    """A file that a page loads.

    Args:
        name: one of ASSETS.
        accepts: the request's Accept-Encoding.

    Raises:
        HTTPException: 404, there is no such file.
    """
    if name not in ASSETS:
        raise HTTPException(404)
    headers = {"cache-control": f"public, max-age={WEEK}"}
    folder = files("covet.openapi") / "assets"
    if name.endswith(".png"):
        return Response((folder / name).read_bytes(), headers=headers, media_type=ASSETS[name])
    headers["vary"] = "accept-encoding"
    data = (folder / f"{name}.gz").read_bytes()
    if "gzip" in accepts.lower():
        headers["content-encoding"] = "gzip"
    else:
        import gzip

        data = gzip.decompress(data)
    return Response(data, headers=headers, media_type=ASSETS[name])


def _script(value: Any) -> str:
    """A value as it may stand within a script element."""
    text = json.dumps(jsonable_encoder(value))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _page(title: str, favicon: str, head: str, body: str) -> HTMLResponse:
    return HTMLResponse(
        f"""<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="shortcut icon" href="{escape(favicon)}">
<title>{escape(title)}</title>
{head}</head>
<body>
{body}</body>
</html>
"""
    )


def get_swagger_ui_html(
    *,
    openapi_url: str,
    title: str,
    swagger_js_url: str = "/docs/assets/swagger-ui-bundle.js",
    swagger_css_url: str = "/docs/assets/swagger-ui.css",
    swagger_favicon_url: str = "/docs/assets/favicon.png",
    oauth2_redirect_url: str | None = None,
    init_oauth: Mapping[str, Any] | None = None,
    swagger_ui_parameters: Mapping[str, Any] | None = None,
) -> HTMLResponse:
    """The page of Swagger UI.

    Args:
        openapi_url: where the document is.
        title: the page's title.
        swagger_js_url, swagger_css_url, swagger_favicon_url: what it loads.
        oauth2_redirect_url: where its sign-in comes back to.
        init_oauth: settings of its sign-in.
        swagger_ui_parameters: its settings.
    """
    parameters = {**SWAGGER_PARAMETERS, **(swagger_ui_parameters or {})}
    lines = "".join(f"{_script(key)}: {_script(value)},\n" for key, value in parameters.items())
    if oauth2_redirect_url:
        lines += f"oauth2RedirectUrl: window.location.origin + {_script(oauth2_redirect_url)},\n"
    sign_in = f"ui.initOAuth({_script(init_oauth)})\n" if init_oauth else ""
    return _page(
        title,
        swagger_favicon_url,
        f'<link type="text/css" rel="stylesheet" href="{escape(swagger_css_url)}">\n',
        f"""<div id="swagger-ui"></div>
<script src="{escape(swagger_js_url)}"></script>
<script>
const ui = SwaggerUIBundle({{
url: {_script(openapi_url)},
{lines}presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset],
}})
{sign_in}</script>
""",
    )


def get_redoc_html(
    *,
    openapi_url: str,
    title: str,
    redoc_js_url: str = "/redoc/assets/redoc.standalone.js",
    redoc_favicon_url: str = "/redoc/assets/favicon.png",
    with_google_fonts: bool = False,
) -> HTMLResponse:
    """The page of ReDoc.

    Args:
        openapi_url: where the document is.
        title: the page's title.
        redoc_js_url, redoc_favicon_url: what it loads.
        with_google_fonts: load fonts of Google's; nothing is loaded from elsewhere otherwise.
    """
    fonts = "https://fonts.googleapis.com/css?family=Montserrat:300,400,700|Roboto:300,400,700"
    head = f'<link href="{escape(fonts)}" rel="stylesheet">\n' if with_google_fonts else ""
    return _page(
        title,
        redoc_favicon_url,
        head + "<style>body { margin: 0; padding: 0; }</style>\n",
        f"""<noscript>ReDoc needs JavaScript.</noscript>
<redoc spec-url="{escape(openapi_url)}"></redoc>
<script src="{escape(redoc_js_url)}"></script>
""",
    )


def get_scalar_html(
    *,
    openapi_url: str,
    title: str,
    scalar_js_url: str = "/scalar/assets/scalar.standalone.js",
    scalar_favicon_url: str = "/scalar/assets/favicon.png",
    scalar_parameters: Mapping[str, Any] | None = None,
) -> HTMLResponse:
    """The page of Scalar.

    Args:
        openapi_url: where the document is.
        title: the page's title.
        scalar_js_url, scalar_favicon_url: what it loads.
        scalar_parameters: its settings.
    """
    settings = {"url": openapi_url, "withDefaultFonts": False, "telemetry": False, **(scalar_parameters or {})}
    return _page(
        title,
        scalar_favicon_url,
        "",
        f"""<div id="app"></div>
<script src="{escape(scalar_js_url)}"></script>
<script>
Scalar.createApiReference("#app", {_script(settings)})
</script>
""",
    )


def get_swagger_ui_oauth2_redirect_html() -> HTMLResponse:
    """The page that Swagger UI's sign-in comes back to: it hands the answer to the window that asked."""
    return HTMLResponse(
        """<!DOCTYPE html>
<html lang="en-US">
<head><meta charset="utf-8"><title>Swagger UI: OAuth2 Redirect</title></head>
<body>
<script>
"use strict";
function run() {
  const oauth2 = window.opener.swaggerUIRedirectOauth2;
  const sent = oauth2.state;
  const text = /code|token|error/.test(window.location.hash) ? window.location.hash : location.search;
  const answer = Object.fromEntries(new URLSearchParams(text.substring(1)));
  const valid = answer.state === sent;
  const flow = oauth2.auth.schema.get("flow");
  const byCode = ["accessCode", "authorizationCode", "authorization_code"].includes(flow);
  const tell = (level, message) =>
    oauth2.errCb({ authId: oauth2.auth.name, source: "auth", level: level, message: message });
  if (byCode && !oauth2.auth.code) {
    if (!valid) {
      tell("warning", "Authorization may be unsafe, passed state was changed in server.");
    }
    if (answer.code) {
      delete oauth2.state;
      oauth2.auth.code = answer.code;
      oauth2.callback({ auth: oauth2.auth, redirectUrl: oauth2.redirectUrl });
    } else {
      const why = answer.error
        ? "[" + answer.error + "]: " + (answer.error_description || "no accessCode received from the server. ")
        : "";
      tell("error", why || "[Authorization failed]: no accessCode received from the server.");
    }
  } else {
    oauth2.callback({ auth: oauth2.auth, token: answer, isValid: valid, redirectUrl: oauth2.redirectUrl });
  }
  window.close();
}
if (document.readyState !== "loading") {
  run();
} else {
  document.addEventListener("DOMContentLoaded", run);
}
</script>
</body>
</html>
"""
    )
