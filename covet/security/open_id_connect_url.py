"""OpenID Connect."""

from typing import Literal, cast, overload

from covet.security.base import Given, HTTPConnection, SecurityBase
from covet.security.models import OpenIdConnect as OpenIdConnectModel


class OpenIdConnect(SecurityBase[Given]):
    """The Authorization field as it is, unchecked: derive from it to check it.

    Args:
        openIdConnectUrl: where the provider's metadata are.
        scheme_name: the scheme's name in the OpenAPI document; the class's name if it is None.
        description: its description in the OpenAPI document.
        auto_error: answer 401 to requests without the field, else give None.
    """

    @overload
    def __init__(
        self: "OpenIdConnect[str]",
        *,
        openIdConnectUrl: str,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: Literal[True] = True,
    ) -> None: ...
    @overload
    def __init__(
        self: "OpenIdConnect[str | None]",
        *,
        openIdConnectUrl: str,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None: ...
    def __init__(
        self,
        *,
        openIdConnectUrl: str,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        model = OpenIdConnectModel(openIdConnectUrl=openIdConnectUrl, description=description)
        self._begin(model, scheme_name, auto_error)

    async def __call__(self, request: HTTPConnection) -> Given:
        """The request's Authorization field, or None. Raises HTTPException 401, if `auto_error`."""
        authorization = request.headers.get("Authorization")
        if not authorization:
            self._refuse()
            return cast(Given, None)
        return cast(Given, authorization)
