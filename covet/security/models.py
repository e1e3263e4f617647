"""Security schemes, as OpenAPI describes them (OpenAPI 3.1, section 4.8.27).

The classes and their fields are those of `fastapi.openapi.models`, without pydantic.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, ClassVar

NAMES = {"type_": "type", "in_": "in"}
"""Fields whose names in OpenAPI are words of Python."""


class SecuritySchemeType(Enum):
    """What kind of security scheme it is."""

    apiKey = "apiKey"
    http = "http"
    oauth2 = "oauth2"
    openIdConnect = "openIdConnect"


class APIKeyIn(Enum):
    """Where an API key is sent."""

    query = "query"
    header = "header"
    cookie = "cookie"


@dataclass
class Described:
    """Something with a place in the OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        """The part of the OpenAPI document; what is None is left out."""
        pairs = ((each.name, getattr(self, each.name)) for each in fields(self))
        return {NAMES.get(name, name): _plain(value) for name, value in pairs if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, Described):
        return value.openapi()
    return value.value if isinstance(value, Enum) else value


@dataclass(kw_only=True)
class SecurityBase(Described):
    """What all security schemes have.

    Attributes:
        type_: what kind of scheme it is.
        description: a text in CommonMark.
    """

    type_: SecuritySchemeType
    description: str | None = None


@dataclass(kw_only=True)
class APIKey(SecurityBase):
    """A key in the query, in a header field or in a cookie, under a name."""

    type_: SecuritySchemeType = SecuritySchemeType.apiKey
    in_: APIKeyIn
    name: str


@dataclass(kw_only=True)
class HTTPBase(SecurityBase):
    """A scheme of the Authorization field (RFC 9110, section 11.6.2)."""

    type_: SecuritySchemeType = SecuritySchemeType.http
    scheme: str


@dataclass(kw_only=True)
class HTTPBearer(HTTPBase):
    """A bearer token (RFC 6750); `bearerFormat` is a hint such as JWT."""

    scheme: str = "bearer"
    bearerFormat: str | None = None


@dataclass(kw_only=True)
class OAuthFlow(Described):
    """What all flows of OAuth 2 have.

    Attributes:
        refreshUrl: where a token is renewed.
        scopes: a description of each scope, by its name.
    """

    refreshUrl: str | None = None
    scopes: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class OAuthFlowImplicit(OAuthFlow):
    """The implicit flow."""

    authorizationUrl: str


@dataclass(kw_only=True)
class OAuthFlowPassword(OAuthFlow):
    """The flow with a user's name and password."""

    tokenUrl: str


@dataclass(kw_only=True)
class OAuthFlowClientCredentials(OAuthFlow):
    """The flow with the client's own credentials."""

    tokenUrl: str


@dataclass(kw_only=True)
class OAuthFlowAuthorizationCode(OAuthFlow):
    """The flow with a code that the authorization server gives to the client."""

    authorizationUrl: str
    tokenUrl: str


@dataclass(kw_only=True)
class OAuthFlows(Described):
    """The flows of OAuth 2 that a scheme offers; each may be given as a dict too. Raises TypeError for a bad one."""

    implicit: OAuthFlowImplicit | None = None
    password: OAuthFlowPassword | None = None
    clientCredentials: OAuthFlowClientCredentials | None = None
    authorizationCode: OAuthFlowAuthorizationCode | None = None

    KINDS: ClassVar[Mapping[str, type[OAuthFlow]]] = {
        "implicit": OAuthFlowImplicit,
        "password": OAuthFlowPassword,
        "clientCredentials": OAuthFlowClientCredentials,
        "authorizationCode": OAuthFlowAuthorizationCode,
    }

    def __post_init__(self) -> None:
        for name, kind in self.KINDS.items():
            flow = getattr(self, name)
            if isinstance(flow, Mapping):
                setattr(self, name, kind(**flow))


@dataclass(kw_only=True)
class OAuth2(SecurityBase):
    """OAuth 2 (RFC 6749)."""

    type_: SecuritySchemeType = SecuritySchemeType.oauth2
    flows: OAuthFlows

    def __post_init__(self) -> None:
        if isinstance(self.flows, Mapping):
            self.flows = OAuthFlows(**self.flows)


@dataclass(kw_only=True)
class OpenIdConnect(SecurityBase):
    """OpenID Connect Discovery; the URL is that of the provider's metadata."""

    type_: SecuritySchemeType = SecuritySchemeType.openIdConnect
    openIdConnectUrl: str
