"""Status codes by name."""

from __future__ import annotations

import warnings

import pytest
import starlette.status

from covet import status
from covet.exceptions import CovetDeprecationWarning

NAMES = [*starlette.status.__all__, *starlette.status.__deprecated__]


def test_the_names_are_starlettes() -> None:
    assert dir(status) == sorted(NAMES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in NAMES:
            assert getattr(status, name) == getattr(starlette.status, name), name


def test_only_old_names_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert status.HTTP_422_UNPROCESSABLE_CONTENT == 422
    with pytest.warns(CovetDeprecationWarning, match="Use 'HTTP_422_UNPROCESSABLE_CONTENT'"):
        assert status.HTTP_422_UNPROCESSABLE_ENTITY == 422
    with pytest.raises(AttributeError, match="HTTP_299_NONSENSE"):
        _ = status.HTTP_299_NONSENSE
