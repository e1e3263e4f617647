"""The form of OAuth 2's password flow (RFC 6749, section 4.3.2), as dependencies."""

from typing import Annotated

from covet.param_functions import Form

FORMAT_PASSWORD = {"format": "password"}


class OAuth2PasswordRequestForm:
    """The form with which a client asks for a token by a user's name and password; it need not say `grant_type`.

    Attributes:
        grant_type: "password" or None.
        username: the user's name.
        password: the user's password.
        scopes: the scopes that are asked for; in the form they are one text, `scope`.
        client_id: the client's name, if it sends it in the form.
        client_secret: the client's password, if it sends it in the form.
    """

    def __init__(
        self,
        *,
        grant_type: Annotated[str | None, Form(pattern="^password$")] = None,
        username: Annotated[str, Form()],
        password: Annotated[str, Form(json_schema_extra=FORMAT_PASSWORD)],
        scope: Annotated[str, Form()] = "",
        client_id: Annotated[str | None, Form()] = None,
        client_secret: Annotated[str | None, Form(json_schema_extra=FORMAT_PASSWORD)] = None,
    ) -> None:
        self.grant_type = grant_type
        self.username = username
        self.password = password
        self.scopes = scope.split()
        self.client_id = client_id
        self.client_secret = client_secret


class OAuth2PasswordRequestFormStrict(OAuth2PasswordRequestForm):
    """The same form, which must say `grant_type=password`, as the RFC requires."""

    def __init__(
        self,
        grant_type: Annotated[str, Form(pattern="^password$")],
        username: Annotated[str, Form()],
        password: Annotated[str, Form()],
        scope: Annotated[str, Form()] = "",
        client_id: Annotated[str | None, Form()] = None,
        client_secret: Annotated[str | None, Form()] = None,
    ) -> None:
        super().__init__(
            grant_type=grant_type,
            username=username,
            password=password,
            scope=scope,
            client_id=client_id,
            client_secret=client_secret,
        )
