"""The scopes that a request's dependencies ask for."""


class SecurityScopes:
    """A parameter of this type gets the scopes that all dependants of its dependency ask for by `Security(scopes=)`.

    Args:
        scopes: the scopes.

    Attributes:
        scopes: the scopes, in order.
        scope_str: the same with spaces between, as `WWW-Authenticate` wants them (RFC 6750, section 3).
    """

    def __init__(self, scopes: list[str] | None = None) -> None:
        self.scopes: list[str] = scopes or []
        self.scope_str: str = " ".join(self.scopes)
