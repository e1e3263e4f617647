"""Security schemes: dependencies that take credentials from requests and describe themselves in OpenAPI."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from covet.security.api_key import APIKeyCookie as APIKeyCookie
    from covet.security.api_key import APIKeyHeader as APIKeyHeader
    from covet.security.api_key import APIKeyQuery as APIKeyQuery
    from covet.security.forms import OAuth2PasswordRequestForm as OAuth2PasswordRequestForm
    from covet.security.forms import OAuth2PasswordRequestFormStrict as OAuth2PasswordRequestFormStrict
    from covet.security.http import HTTPAuthorizationCredentials as HTTPAuthorizationCredentials
    from covet.security.http import HTTPBasic as HTTPBasic
    from covet.security.http import HTTPBasicCredentials as HTTPBasicCredentials
    from covet.security.http import HTTPBearer as HTTPBearer
    from covet.security.http import HTTPDigest as HTTPDigest
    from covet.security.oauth2 import OAuth2 as OAuth2
    from covet.security.oauth2 import OAuth2AuthorizationCodeBearer as OAuth2AuthorizationCodeBearer
    from covet.security.oauth2 import OAuth2PasswordBearer as OAuth2PasswordBearer
    from covet.security.open_id_connect_url import OpenIdConnect as OpenIdConnect
    from covet.security.scopes import SecurityScopes as SecurityScopes

_PLACES = {
    "APIKeyCookie": "api_key",
    "APIKeyHeader": "api_key",
    "APIKeyQuery": "api_key",
    "HTTPAuthorizationCredentials": "http",
    "HTTPBasic": "http",
    "HTTPBasicCredentials": "http",
    "HTTPBearer": "http",
    "HTTPDigest": "http",
    "OAuth2": "oauth2",
    "OAuth2AuthorizationCodeBearer": "oauth2",
    "OAuth2PasswordBearer": "oauth2",
    "OAuth2PasswordRequestForm": "forms",
    "OAuth2PasswordRequestFormStrict": "forms",
    "OpenIdConnect": "open_id_connect_url",
    "SecurityScopes": "scopes",
}

__all__ = [
    "APIKeyCookie",
    "APIKeyHeader",
    "APIKeyQuery",
    "HTTPAuthorizationCredentials",
    "HTTPBasic",
    "HTTPBasicCredentials",
    "HTTPBearer",
    "HTTPDigest",
    "OAuth2",
    "OAuth2AuthorizationCodeBearer",
    "OAuth2PasswordBearer",
    "OAuth2PasswordRequestForm",
    "OAuth2PasswordRequestFormStrict",
    "OpenIdConnect",
    "SecurityScopes",
]


def __getattr__(name: str) -> object:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"covet.security.{place}"), name)
    globals()[name] = value
    return value
