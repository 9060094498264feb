"""What of a JSON Schema takes more than it should: lists, numbers and texts without a bound."""

from collections.abc import Iterator
from typing import Any

_TEXT_BOUNDS = {"maxLength", "pattern", "enum", "const", "format"}
_NUMBER_BOUNDS = {"maximum", "exclusiveMaximum", "enum", "const"}
_BOUNDS = {
    "array": {"maxItems"},
    "integer": _NUMBER_BOUNDS,
    "number": _NUMBER_BOUNDS,
    "string": _TEXT_BOUNDS,
}


def unbounded(schema: Any, path: str = "") -> Iterator[str]:
    """Where such parts are; "" is the schema itself."""
    if isinstance(schema, dict):
        bounds = _BOUNDS.get(str(schema.get("type")))
        if bounds is not None and not bounds & schema.keys():
            yield path
        for name, part in schema.items():
            yield from unbounded(part, f"{path}/{name}")
    elif isinstance(schema, list):
        for number, part in enumerate(schema):
            yield from unbounded(part, f"{path}/{number}")
