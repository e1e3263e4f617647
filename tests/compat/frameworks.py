"""The same names from FastAPI and from CovetPy, so that the same application can be made with either."""

from importlib import import_module
from types import SimpleNamespace
from typing import Any

NAMES = {
    "": (
        "APIRouter BackgroundTasks Body Cookie Depends FastAPI File Form HTTPException Header Path Query Request "
        "Response Security UploadFile WebSocket"
    ),
    "responses": "HTMLResponse JSONResponse PlainTextResponse RedirectResponse StreamingResponse",
    "routing": "APIRoute",
    "staticfiles": "StaticFiles",
    "templating": "Jinja2Templates",
    "exceptions": "RequestValidationError ResponseValidationError",
    "security": (
        "APIKeyCookie APIKeyHeader APIKeyQuery HTTPAuthorizationCredentials HTTPBasic HTTPBasicCredentials HTTPBearer "
        "HTTPDigest OAuth2AuthorizationCodeBearer OAuth2PasswordBearer OAuth2PasswordRequestForm OpenIdConnect "
        "SecurityScopes"
    ),
}


def framework(package: str) -> Any:
    """The names of a framework.

    Args:
        package: "fastapi" or "covet".
    """
    found = SimpleNamespace(package=package)
    for module, names in NAMES.items():
        source = import_module(f"{package}.{module}" if module else package)
        for name in names.split():
            setattr(found, name, getattr(source, name))
    return found
