"""OpenID Connect."""

from covet.security.base import HTTPConnection, SecurityBase
from covet.security.models import OpenIdConnect as OpenIdConnectModel


class OpenIdConnect(SecurityBase):
    """The Authorization field as it is, unchecked: derive from it to check it.

    Args:
        openIdConnectUrl: where the provider's metadata are.
        scheme_name: the scheme's name in the OpenAPI document; the class's name if it is None.
        description: its description in the OpenAPI document.
        auto_error: answer 401 to requests without the field, else give None.
    """

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

    async def __call__(self, request: HTTPConnection) -> str | None:
        """The request's Authorization field, or None. Raises HTTPException 401, if `auto_error`."""
        authorization = request.headers.get("Authorization")
        if not authorization:
            self._refuse()
            return None
        return authorization
