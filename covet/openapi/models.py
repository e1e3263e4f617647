"""The descriptions of security schemes and examples, where FastAPI has them."""

from typing import Any, TypedDict

from covet.security.models import (
    APIKey,
    APIKeyIn,
    HTTPBase,
    HTTPBearer,
    OAuth2,
    OAuthFlow,
    OAuthFlowAuthorizationCode,
    OAuthFlowClientCredentials,
    OAuthFlowImplicit,
    OAuthFlowPassword,
    OAuthFlows,
    OpenIdConnect,
    SecurityBase,
    SecuritySchemeType,
)


class Example(TypedDict, total=False):
    """One of `openapi_examples`: what it shows, and the value or where it can be found."""

    summary: str | None
    description: str | None
    value: Any
    externalValue: str | None


__all__ = [
    "APIKey",
    "APIKeyIn",
    "Example",
    "HTTPBase",
    "HTTPBearer",
    "OAuth2",
    "OAuthFlow",
    "OAuthFlowAuthorizationCode",
    "OAuthFlowClientCredentials",
    "OAuthFlowImplicit",
    "OAuthFlowPassword",
    "OAuthFlows",
    "OpenIdConnect",
    "SecurityBase",
    "SecuritySchemeType",
]
