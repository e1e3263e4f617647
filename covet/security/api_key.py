"""API keys in the query, in a header field or in a cookie."""

from typing import Literal, cast, overload

from covet.security.base import Given, HTTPConnection, SecurityBase
from covet.security.models import APIKey, APIKeyIn


class APIKeyBase(SecurityBase[Given]):
    """A key under a name, somewhere in the request.

    Args:
        location: where it is.
        name: the name of the parameter, field or cookie.
        description: the scheme's description in the OpenAPI document.
        scheme_name: its name in the OpenAPI document; the class's name if it is None.
        auto_error: answer 401 to requests without the key, else give None.
    """

    model: APIKey

    def __init__(
        self, location: APIKeyIn, name: str, description: str | None, scheme_name: str | None, auto_error: bool
    ) -> None:
        self._begin(APIKey(in_=location, name=name, description=description), scheme_name, auto_error)

    def make_authenticate_headers(self) -> dict[str, str]:
        """The WWW-Authenticate field of 401 answers; no standard names a scheme for API keys."""
        return {"WWW-Authenticate": "APIKey"}

    def check_api_key(self, api_key: str | None) -> Given:
        """The key, or None if it is missing or empty. Raises HTTPException 401 then, if `auto_error`."""
        if api_key:
            return cast(Given, api_key)
        self._refuse()
        return cast(Given, None)


class APIKeyQuery(APIKeyBase[Given]):
    """A key in the query.

    Args:
        name: the parameter's name.
        scheme_name: the scheme's name in the OpenAPI document; the class's name if it is None.
        description: its description in the OpenAPI document.
        auto_error: answer 401 to requests without the key, else give None.
    """

    @overload
    def __init__(
        self: "APIKeyQuery[str]",
        *,
        name: str,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: Literal[True] = True,
    ) -> None: ...
    @overload
    def __init__(
        self: "APIKeyQuery[str | None]",
        *,
        name: str,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None: ...
    def __init__(
        self, *, name: str, scheme_name: str | None = None, description: str | None = None, auto_error: bool = True
    ) -> None:
        super().__init__(APIKeyIn.query, name, description, scheme_name, auto_error)

    async def __call__(self, request: HTTPConnection) -> Given:
        """The request's key, or None. Raises HTTPException 401, if `auto_error`."""
        return self.check_api_key(request.query_params.get(self.model.name))


class APIKeyHeader(APIKeyBase[Given]):
    """A key in a header field.

    Args:
        name: the field's name.
        scheme_name: the scheme's name in the OpenAPI document; the class's name if it is None.
        description: its description in the OpenAPI document.
        auto_error: answer 401 to requests without the key, else give None.
    """

    @overload
    def __init__(
        self: "APIKeyHeader[str]",
        *,
        name: str,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: Literal[True] = True,
    ) -> None: ...
    @overload
    def __init__(
        self: "APIKeyHeader[str | None]",
        *,
        name: str,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None: ...
    def __init__(
        self, *, name: str, scheme_name: str | None = None, description: str | None = None, auto_error: bool = True
    ) -> None:
        super().__init__(APIKeyIn.header, name, description, scheme_name, auto_error)

    async def __call__(self, request: HTTPConnection) -> Given:
        """The request's key, or None. Raises HTTPException 401, if `auto_error`."""
        return self.check_api_key(request.headers.get(self.model.name))


class APIKeyCookie(APIKeyBase[Given]):
    """A key in a cookie.

    Args:
        name: the cookie's name.
        scheme_name: the scheme's name in the OpenAPI document; the class's name if it is None.
        description: its description in the OpenAPI document.
        auto_error: answer 401 to requests without the key, else give None.
    """

    @overload
    def __init__(
        self: "APIKeyCookie[str]",
        *,
        name: str,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: Literal[True] = True,
    ) -> None: ...
    @overload
    def __init__(
        self: "APIKeyCookie[str | None]",
        *,
        name: str,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None: ...
    def __init__(
        self, *, name: str, scheme_name: str | None = None, description: str | None = None, auto_error: bool = True
    ) -> None:
        super().__init__(APIKeyIn.cookie, name, description, scheme_name, auto_error)

    async def __call__(self, request: HTTPConnection) -> Given:
        """The request's key, or None. Raises HTTPException 401, if `auto_error`."""
        return self.check_api_key(request.cookies.get(self.model.name))
