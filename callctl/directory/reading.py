"""Reads a provisioning file; called by the CLI (and by whoever else is handed such a file).

Everything that is wrong is listed at once, each with its line, its field and what to write.
"""

import difflib
import typing
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from callctl.directory.answering_fields import EMAIL_PATTERN, PROMPT_PATTERN
from callctl.directory.document import Document
from callctl.directory.price_entries import IN_FIELDS
from callctl.directory.reach import reach_problems
from callctl.directory.references import check_references
from callctl.directory.yaml_tree import Path, Tree, Unquoted, dotted, read_tree
from callctl.errors import ConfigurationRefused, Problem

PROBLEMS_MAX = 200
_EXAMPLE = "see docs/provisioning.md"


def read_document(content: bytes) -> Document:
    """Read and check a whole file; raises ConfigurationRefused with all its `problems`."""
    tree = read_tree(content)
    document = None
    if isinstance(tree.value, dict):
        broken = {problem.field for problem in tree.problems}
        try:
            document = Document.of(tree)
        except ValidationError as error:
            _add_errors(tree, error, broken)
        check_references(tree)
        if document is not None and not tree.problems:
            tree.problems += reach_problems(document)
    elif not tree.problems:
        tree.add_problem((), _explain_top(tree.value))
    if tree.problems or document is None:
        raise refusal(tree.problems)
    if not any(getattr(document, kind) for kind in Document.model_fields):
        raise refusal([Problem(1, "", f"there is nothing in this file: {_EXAMPLE}")])
    return document


def refusal(problems: list[Problem]) -> ConfigurationRefused:
    """The error that lists `problems` in the order of the file."""
    ordered = sorted(dict.fromkeys(problems), key=lambda problem: problem.line)
    kept = ordered[:PROBLEMS_MAX]
    lines = [f"line {line}: {field + ': ' if field else ''}{why}" for line, field, why in kept]
    if len(ordered) > len(kept):
        lines.append(f"and {len(ordered) - len(kept)} more")
    head = "the configuration was refused whole; nothing was changed"
    return ConfigurationRefused("\n".join([head, *lines]), problems=kept)


def _explain_top(value: Any) -> str:
    if value is None:
        return f"the file is empty: write tariffs: and tenants:, {_EXAMPLE}"
    return f"the file must begin with fields such as tariffs: and tenants:, {_EXAMPLE}"


def _add_errors(tree: Tree, error: ValidationError, broken: set[str]) -> None:
    for details in error.errors(include_url=False):
        path: Path = details["loc"]
        if path[-1:] == ("[key]",):
            path = path[:-1]  # pydantic's mark of a name that is wrong itself
        if details["type"] == IN_FIELDS:
            for field, message in details["ctx"]["problems"]:
                tree.add_problem((*path, field) if field else path, message)
        elif dotted(path) not in broken:
            tree.add_problem(path, _explain(details, path))


def _explain(details: ErrorDetails, path: Path) -> str:
    """Say what is wrong in the words of somebody who edits the file."""
    kind, value, context = details["type"], details["input"], details.get("ctx") or {}
    if kind == "missing":
        return "this field is missing: add it"
    if kind == "extra_forbidden":
        return _explain_unknown(path)
    if kind == "value_error":
        return str(context["error"])
    if value is None:
        return "there is no value: write one or delete the field"
    explain = _EXPLAIN.get(kind)
    return explain(value, context) if explain else f"{details['msg']}: correct it"


def _explain_text(value: Any, _: Mapping[str, Any]) -> str:
    if isinstance(value, Unquoted):
        return f'write it in quotes: "{value.text}"'
    if isinstance(value, bool):
        return f'write it in quotes: "{str(value).lower()}"'
    if isinstance(value, int):
        return f'write it in quotes: "{value}"'
    return f"text is needed here, not a {_shape(value)}"


def _explain_whole(value: Any, _: Mapping[str, Any]) -> str:
    shown = value.text if isinstance(value, Unquoted) else value
    return f"a whole number is needed, without quotes, such as 15 (not {shown!r})"


def _explain_pattern(value: Any, context: Mapping[str, Any]) -> str:
    return f"{value!r} does not fit: {_PATTERN_WORDS.get(context['pattern'], context['pattern'])}"


def _shape(value: Any) -> str:
    if isinstance(value, dict):
        return "mapping"
    return "list" if isinstance(value, list) else "single value"


_EXPLAIN: dict[str, Callable[[Any, Mapping[str, Any]], str]] = {
    "string_type": _explain_text,
    "int_type": _explain_whole,
    "string_pattern_mismatch": _explain_pattern,
    "bool_type": lambda value, _: f"{value!r} is neither: write true or false, without quotes",
    "dict_type": lambda value, _: f"keys are needed here (key: value), not a {_shape(value)}",
    "list_type": lambda value, _: (
        f"a list is needed, each item after a dash; not a {_shape(value)}"
    ),
    "model_type": lambda value, _: f"fields are needed here (name: value), not a {_shape(value)}",
    "greater_than_equal": lambda value, context: f"{value} is too small: {context['ge']} or more",
    "less_than_equal": lambda value, context: f"{value} is too large: at most {context['le']}",
    "literal_error": lambda value, context: f"{value!r} is none of {context['expected']}",
    "too_short": lambda _, context: f"too few: at least {context['min_length']} needed",
    "too_long": lambda _, context: f"too many: at most {context['max_length']} are possible",
    "string_too_short": lambda _, context: f"too short: write {context['min_length']} or more",
    "string_too_long": lambda _, context: f"too long: at most {context['max_length']} characters",
}
_PATTERN_WORDS = {
    r"^[a-z0-9][a-z0-9_-]{0,62}$": "a name has small letters, digits, - and _, at most 63",
    r"^[A-Z]{3}$": "write a currency's three letters, such as CNY",
    r"^[0-9]{3,15}$": "write 3 to 15 digits, such as 4001234567",
    r"^[a-z0-9_-]{1,40}$": "write the name of a PJSIP endpoint: small letters, digits, - and _",
    PROMPT_PATTERN: "write a prompt's name such as callctl/ringback-demo, or your own audio's",
    r"^[a-z]{2,3}(-[A-Za-z]{2,8})?$": "write a language such as zh, en or fr",
    r"^[0-9*#]$": 'write one key: "0" to "9", "*" or "#"',
    r"^[0-9]$": 'write one digit, such as "1"',
    r"^[0-9]{2,8}$": 'write 2 to 8 digits, such as "8001"; a single digit is a key of a menu',
    r"^[0-9]{6,12}$": "write 6 to 12 digits",
    EMAIL_PATTERN: "write an address such as support@example.com",
}


def _explain_unknown(path: Path) -> str:
    fields = _fields_around(path)
    near = difflib.get_close_matches(str(path[-1]), fields, n=1)
    if near:
        return f"there is no such field: did you mean {near[0]}?"
    return f"there is no such field: delete it (there is {', '.join(fields)})"


def _fields_around(path: Path) -> list[str]:
    """The names of the fields where `path` tries to add one."""
    model: type[BaseModel] = Document
    for step in path[:-1]:
        field = _fields(model).get(str(step))
        model = (field and _model_in(field.annotation)) or model
    return list(_fields(model))


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The model's fields as files call them."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The entries that a field has, in a list, by key or alone."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, typing.get_args(annotation))), None)
