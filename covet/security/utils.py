"""Reading the Authorization field."""


def get_authorization_scheme_param(authorization_header_value: str | None) -> tuple[str, str]:
    """The scheme of an Authorization field, and what follows it (RFC 9110, section 11.4).

    Args:
        authorization_header_value: the field's value; None, if the request has none, gives two empty texts.
    """
    if not authorization_header_value:
        return "", ""
    scheme, _, param = authorization_header_value.partition(" ")
    return scheme, param.strip()
