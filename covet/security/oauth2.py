"""OAuth 2 (RFC 6749) with bearer tokens (RFC 6750)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from covet.security.base import Given, HTTPConnection, SecurityBase
from covet.security.models import OAuth2 as OAuth2Model
from covet.security.models import (
    OAuthFlowAuthorizationCode,
    OAuthFlowPassword,
)
from covet.security.models import OAuthFlows as OAuthFlowsModel
from covet.security.scopes import SecurityScopes as SecurityScopes
from covet.security.utils import get_authorization_scheme_param

if TYPE_CHECKING:
    from covet.security.forms import OAuth2PasswordRequestForm as OAuth2PasswordRequestForm
    from covet.security.forms import OAuth2PasswordRequestFormStrict as OAuth2PasswordRequestFormStrict

FORMS = ("OAuth2PasswordRequestForm", "OAuth2PasswordRequestFormStrict")


class OAuth2(SecurityBase[Given]):
    """The Authorization field as it is, for any flow; derive from it for flows of your own.

    Args:
        flows: the flows that the OpenAPI document describes.
        scheme_name: the scheme's name in the OpenAPI document; the class's name if it is None.
        description: its description in the OpenAPI document.
        auto_error: answer 401 to requests without the field, else give None.
    """

    model: OAuth2Model

    @overload
    def __init__(
        self: "OAuth2[str]",
        *,
        flows: OAuthFlowsModel | Mapping[str, Mapping[str, Any]] | None = None,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: Literal[True] = True,
    ) -> None: ...
    @overload
    def __init__(
        self: "OAuth2[str | None]",
        *,
        flows: OAuthFlowsModel | Mapping[str, Mapping[str, Any]] | None = None,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None: ...
    def __init__(
        self,
        *,
        flows: OAuthFlowsModel | Mapping[str, Mapping[str, Any]] | None = None,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        if not isinstance(flows, OAuthFlowsModel):
            flows = OAuthFlowsModel(**(flows or {}))  # type: ignore[arg-type]  # it makes the flows of dicts itself
        self._describe(flows, scheme_name, description, auto_error)

    async def __call__(self, request: HTTPConnection) -> Given:
        """The request's Authorization field, or None. Raises HTTPException 401, if `auto_error`."""
        authorization = request.headers.get("Authorization")
        if not authorization:
            self._refuse()
            return cast(Given, None)
        return cast(Given, authorization)

    def _describe(self, flows: Any, scheme_name: str | None, description: str | None, auto_error: bool) -> None:
        self._begin(OAuth2Model(flows=flows, description=description), scheme_name, auto_error)

    def _token(self, request: HTTPConnection) -> Given:
        scheme, token = get_authorization_scheme_param(request.headers.get("Authorization"))
        if scheme.lower() != "bearer":
            self._refuse()
            return cast(Given, None)
        return cast(Given, token)


class OAuth2PasswordBearer(OAuth2[Given]):
    """A bearer token that a client got for a user's name and password.

    Args:
        tokenUrl: the path, relative to the application's, where clients get tokens.
        scheme_name: the scheme's name in the OpenAPI document; the class's name if it is None.
        scopes: a description of each scope, by its name.
        description: the scheme's description in the OpenAPI document.
        auto_error: answer 401 to requests without a token, else give None.
        refreshUrl: where tokens are renewed.
    """

    @overload
    def __init__(
        self: "OAuth2PasswordBearer[str]",
        tokenUrl: str,
        scheme_name: str | None = None,
        scopes: dict[str, str] | None = None,
        description: str | None = None,
        auto_error: Literal[True] = True,
        refreshUrl: str | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: "OAuth2PasswordBearer[str | None]",
        tokenUrl: str,
        scheme_name: str | None = None,
        scopes: dict[str, str] | None = None,
        description: str | None = None,
        auto_error: bool = True,
        refreshUrl: str | None = None,
    ) -> None: ...
    def __init__(
        self,
        tokenUrl: str,
        scheme_name: str | None = None,
        scopes: dict[str, str] | None = None,
        description: str | None = None,
        auto_error: bool = True,
        refreshUrl: str | None = None,
    ) -> None:
        flow = OAuthFlowPassword(tokenUrl=tokenUrl, refreshUrl=refreshUrl, scopes=scopes or {})
        self._describe(OAuthFlowsModel(password=flow), scheme_name, description, auto_error)

    async def __call__(self, request: HTTPConnection) -> Given:
        """The request's token, or None. Raises HTTPException 401, if `auto_error`."""
        return self._token(request)


class OAuth2AuthorizationCodeBearer(OAuth2[Given]):
    """A bearer token that a client got for an authorization code.

    Args:
        authorizationUrl: where users give their consent.
        tokenUrl: where clients get tokens.
        refreshUrl: where tokens are renewed.
        scheme_name: the scheme's name in the OpenAPI document; the class's name if it is None.
        scopes: a description of each scope, by its name.
        description: the scheme's description in the OpenAPI document.
        auto_error: answer 401 to requests without a token, else give None.
    """

    @overload
    def __init__(
        self: "OAuth2AuthorizationCodeBearer[str]",
        authorizationUrl: str,
        tokenUrl: str,
        refreshUrl: str | None = None,
        scheme_name: str | None = None,
        scopes: dict[str, str] | None = None,
        description: str | None = None,
        auto_error: Literal[True] = True,
    ) -> None: ...
    @overload
    def __init__(
        self: "OAuth2AuthorizationCodeBearer[str | None]",
        authorizationUrl: str,
        tokenUrl: str,
        refreshUrl: str | None = None,
        scheme_name: str | None = None,
        scopes: dict[str, str] | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None: ...
    def __init__(
        self,
        authorizationUrl: str,
        tokenUrl: str,
        refreshUrl: str | None = None,
        scheme_name: str | None = None,
        scopes: dict[str, str] | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        flow = OAuthFlowAuthorizationCode(
            authorizationUrl=authorizationUrl, tokenUrl=tokenUrl, refreshUrl=refreshUrl, scopes=scopes or {}
        )
        self._describe(OAuthFlowsModel(authorizationCode=flow), scheme_name, description, auto_error)

    async def __call__(self, request: HTTPConnection) -> Given:
        """The request's token, or None. Raises HTTPException 401, if `auto_error`."""
        return self._token(request)


def __getattr__(name: str) -> object:
    # Forms bring the declarations of parameters with them, which tokens alone do not need.
    if name not in FORMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from covet.security import forms

    value: object = getattr(forms, name)
    globals()[name] = value
    return value
