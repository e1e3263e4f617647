"""What all security schemes have."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, Protocol

from covet.exceptions import HTTPException
from covet.security.models import SecurityBase as SecurityBaseModel

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    # Classes that derive from a scheme without saying more may give what they like.
    Given = TypeVar("Given", default=Any)
else:
    from typing import TypeVar

    Given = TypeVar("Given")

UNAUTHORIZED = 401


class HTTPConnection(Protocol):
    """What a scheme looks at: a Request or a WebSocket."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The header fields."""

    @property
    def query_params(self) -> Mapping[str, str]:
        """The parameters of the query."""

    @property
    def cookies(self) -> Mapping[str, str]:
        """The cookies by name."""


class SecurityBase(Generic[Given]):
    """A security scheme: a dependency that takes credentials from requests, with its place in the OpenAPI document.

    Type checkers know it by what it gives: `OAuth2PasswordBearer[str]`, or `[str | None]` if it has `auto_error=False`.

    Attributes:
        model: what OpenAPI says of the scheme; its method `openapi` gives it as a dict.
        scheme_name: the scheme's name in the OpenAPI document.
        auto_error: answer requests without credentials with 401; else the dependency's value is None.
    """

    model: SecurityBaseModel
    scheme_name: str
    auto_error: bool

    def _begin(self, model: Any, scheme_name: str | None, auto_error: bool) -> None:
        self.model = model
        self.scheme_name = scheme_name or type(self).__name__
        self.auto_error = auto_error

    def make_authenticate_headers(self) -> dict[str, str]:
        """The WWW-Authenticate field of 401 answers (RFC 9110, section 11.6.1)."""
        return {"WWW-Authenticate": "Bearer"}

    def make_not_authenticated_error(self) -> HTTPException:
        """What is raised when a request has no credentials that the scheme can use."""
        return HTTPException(UNAUTHORIZED, "Not authenticated", self.make_authenticate_headers())

    def _refuse(self) -> None:
        """What happens to a request without credentials. Raises HTTPException, if `auto_error`."""
        if self.auto_error:
            raise self.make_not_authenticated_error()
