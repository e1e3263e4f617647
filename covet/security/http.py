"""Schemes of the Authorization field: Basic (RFC 7617), Bearer (RFC 6750) and Digest (RFC 7616)."""

from base64 import b64decode
from dataclasses import dataclass
from typing import Literal, cast, overload

from covet.security.base import Given, HTTPConnection, SecurityBase
from covet.security.models import HTTPBase as HTTPBaseModel
from covet.security.models import HTTPBearer as HTTPBearerModel
from covet.security.utils import get_authorization_scheme_param


@dataclass
class HTTPBasicCredentials:
    """What HTTPBasic gives."""

    username: str
    password: str


@dataclass
class HTTPAuthorizationCredentials:
    """What HTTPBearer and HTTPDigest give: the Authorization field, split after its first word."""

    scheme: str
    credentials: str


class HTTPBase(SecurityBase[Given]):
    """Any scheme of the Authorization field.

    Args:
        scheme: the scheme's name.
        scheme_name: its name in the OpenAPI document; the class's name if it is None.
        description: its description in the OpenAPI document.
        auto_error: answer 401 to requests without credentials, else give None.
    """

    model: HTTPBaseModel

    @overload
    def __init__(
        self: "HTTPBase[HTTPAuthorizationCredentials]",
        *,
        scheme: str,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: Literal[True] = True,
    ) -> None: ...
    @overload
    def __init__(
        self: "HTTPBase[HTTPAuthorizationCredentials | None]",
        *,
        scheme: str,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None: ...
    def __init__(
        self, *, scheme: str, scheme_name: str | None = None, description: str | None = None, auto_error: bool = True
    ) -> None:
        self._begin(HTTPBaseModel(scheme=scheme, description=description), scheme_name, auto_error)

    def make_authenticate_headers(self) -> dict[str, str]:
        """The WWW-Authenticate field of 401 answers."""
        return {"WWW-Authenticate": self.model.scheme.title()}

    async def __call__(self, request: HTTPConnection) -> Given:
        """The request's HTTPAuthorizationCredentials, or None. Raises HTTPException 401, if `auto_error`."""
        return self._credentials(request, "")

    def _credentials(self, request: HTTPConnection, wanted: str) -> Given:
        """The credentials of a scheme, or of any if `wanted` is empty."""
        scheme, credentials = get_authorization_scheme_param(request.headers.get("Authorization"))
        if scheme and credentials and (not wanted or scheme.lower() == wanted):
            return cast(Given, HTTPAuthorizationCredentials(scheme, credentials))
        self._refuse()
        return cast(Given, None)


class HTTPBasic(HTTPBase[Given]):
    """Name and password by the Basic scheme (RFC 7617); gives HTTPBasicCredentials.

    Args:
        scheme_name: the scheme's name in the OpenAPI document; the class's name if it is None.
        realm: what browsers show when they ask for the password.
        description: its description in the OpenAPI document.
        auto_error: answer 401 to requests without credentials, else give None; malformed ones get 401 anyway.
    """

    @overload
    def __init__(
        self: "HTTPBasic[HTTPBasicCredentials]",
        *,
        scheme_name: str | None = None,
        realm: str | None = None,
        description: str | None = None,
        auto_error: Literal[True] = True,
    ) -> None: ...
    @overload
    def __init__(
        self: "HTTPBasic[HTTPBasicCredentials | None]",
        *,
        scheme_name: str | None = None,
        realm: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None: ...
    def __init__(
        self,
        *,
        scheme_name: str | None = None,
        realm: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        self._begin(HTTPBaseModel(scheme="basic", description=description), scheme_name, auto_error)
        self.realm = realm

    def make_authenticate_headers(self) -> dict[str, str]:
        """The WWW-Authenticate field of 401 answers, with the realm if there is one."""
        return {"WWW-Authenticate": f'Basic realm="{self.realm}"' if self.realm else "Basic"}

    async def __call__(self, request: HTTPConnection) -> Given:
        """The request's name and password. Raises HTTPException 401."""
        scheme, param = get_authorization_scheme_param(request.headers.get("Authorization"))
        if scheme.lower() != "basic":
            self._refuse()
            return cast(Given, None)
        try:
            data = b64decode(param).decode("ascii")
        except ValueError as error:
            raise self.make_not_authenticated_error() from error
        username, colon, password = data.partition(":")
        if not colon:
            raise self.make_not_authenticated_error()
        return cast(Given, HTTPBasicCredentials(username, password))


class HTTPBearer(HTTPBase[Given]):
    """A token by the Bearer scheme (RFC 6750); gives HTTPAuthorizationCredentials.

    Args:
        bearerFormat: a hint for the OpenAPI document, such as JWT.
        scheme_name: the scheme's name in the OpenAPI document; the class's name if it is None.
        description: its description in the OpenAPI document.
        auto_error: answer 401 to requests without a token, else give None.
    """

    @overload
    def __init__(
        self: "HTTPBearer[HTTPAuthorizationCredentials]",
        *,
        bearerFormat: str | None = None,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: Literal[True] = True,
    ) -> None: ...
    @overload
    def __init__(
        self: "HTTPBearer[HTTPAuthorizationCredentials | None]",
        *,
        bearerFormat: str | None = None,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None: ...
    def __init__(
        self,
        *,
        bearerFormat: str | None = None,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        self._begin(HTTPBearerModel(bearerFormat=bearerFormat, description=description), scheme_name, auto_error)

    async def __call__(self, request: HTTPConnection) -> Given:
        """The request's token, or None. Raises HTTPException 401, if `auto_error`."""
        return self._credentials(request, "bearer")


class HTTPDigest(HTTPBase[Given]):
    """Credentials by the Digest scheme (RFC 7616), unchecked: derive from it to check them.

    Args:
        scheme_name: the scheme's name in the OpenAPI document; the class's name if it is None.
        description: its description in the OpenAPI document.
        auto_error: answer 401 to requests without credentials, else give None.
    """

    @overload
    def __init__(
        self: "HTTPDigest[HTTPAuthorizationCredentials]",
        *,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: Literal[True] = True,
    ) -> None: ...
    @overload
    def __init__(
        self: "HTTPDigest[HTTPAuthorizationCredentials | None]",
        *,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None: ...
    def __init__(
        self, *, scheme_name: str | None = None, description: str | None = None, auto_error: bool = True
    ) -> None:
        self._begin(HTTPBaseModel(scheme="digest", description=description), scheme_name, auto_error)

    async def __call__(self, request: HTTPConnection) -> Given:
        """The request's credentials, or None. Raises HTTPException 401, if `auto_error`."""
        return self._credentials(request, "digest")
