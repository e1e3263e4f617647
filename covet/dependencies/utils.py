"""Signatures with their annotations evaluated, for code that looks at handlers itself."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from covet.dependant import evaluated, signature_of


def get_typed_signature(call: Callable[..., Any]) -> inspect.Signature:
    """The parameters of something that is called, with annotations that are text evaluated as far as possible."""
    return inspect.Signature(list(signature_of(call).parameters.values()))


def get_typed_annotation(annotation: Any, globalns: Mapping[str, Any]) -> Any:
    """An annotation, evaluated if it is text; None stands for its type.

    Args:
        annotation: the annotation.
        globalns: what the names in it stand for.
    """
    found = evaluated(annotation, globalns, {})
    return None if found is type(None) and isinstance(annotation, str) else found


def get_typed_return_annotation(call: Callable[..., Any]) -> Any:
    """What something says that it returns; None if it does not say."""
    annotation = signature_of(call).return_annotation
    return None if annotation is inspect.Signature.empty else annotation


__all__ = ["get_typed_annotation", "get_typed_return_annotation", "get_typed_signature"]
