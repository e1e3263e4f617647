"""Errors as application/problem+json (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from covet.encoders import jsonable_encoder
from covet.responses import JSONResponse

MEDIA_TYPE = "application/problem+json"


def problem(
    status: int,
    detail: Any = None,
    *,
    instance: str | None = None,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> JSONResponse:
    """A response that says what is wrong.

    Args:
        status: the status.
        detail: what happened, as text; anything else becomes the member "errors" or, if it is a mapping, members of
            its own.
        instance: where it happened, such as the request's path.
        headers: further header fields.
        members: further members.
    """
    try:
        title = HTTPStatus(status).phrase
    except ValueError:
        title = "Error"
    content: dict[str, Any] = {"type": "about:blank", "title": title, "status": status}
    if isinstance(detail, str):
        if detail != title:
            content["detail"] = detail
    elif isinstance(detail, Mapping):
        content.update(jsonable_encoder({key: value for key, value in detail.items() if key != "status"}))
    elif detail is not None:
        content["errors"] = jsonable_encoder(detail)
    if instance is not None:
        content["instance"] = instance
    content.update(jsonable_encoder(members))
    return JSONResponse(content, status, headers, MEDIA_TYPE)
