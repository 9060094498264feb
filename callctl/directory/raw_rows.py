"""Walks the values of a file before they are known to be right; called by the references.

Whatever has a wrong form is passed over: its own problem is told elsewhere.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from callctl.directory.yaml_tree import Path, Tree, Unquoted

Row = dict[str, Any]


def rows_of(parent: Row, path: Path, name: str) -> Iterator[tuple[Path, Row]]:
    """The mappings in a list of mappings, each with its path; nothing if it is no list."""
    rows = parent.get(name)
    for index, row in enumerate(rows if isinstance(rows, list) else ()):
        if isinstance(row, dict):
            yield (*path, name, index), row


def fields_of(parent: Row, path: Path, name: str) -> Iterator[tuple[Path, Any]]:
    """The values of a mapping, each with its path; nothing if it is none."""
    row = parent.get(name)
    for key, value in row.items() if isinstance(row, dict) else ():
        yield (*path, name, key), value


def words_of(parent: Row, path: Path, name: str) -> Iterator[tuple[Path, str]]:
    """The texts in a list, each with its path; nothing if it is no list."""
    words = parent.get(name)
    for index, word in enumerate(words if isinstance(words, list) else ()):
        if isinstance(word, str):
            yield (*path, name, index), word


def by_text(rows: Iterable[tuple[Path, Row]], key: str) -> dict[str, Row]:
    """The rows by their text in `key`; rows without one are left out."""
    return {row[key]: row for _, row in rows if isinstance(row.get(key), str)}


def word(row: Any, key: str) -> str:
    """The row's text in `key`; "" for anything else."""
    value = row.get(key) if isinstance(row, dict) else None
    return value if isinstance(value, str) else ""


def check_distinct(tree: Tree, rows: Iterable[tuple[Path, Row]], key: str) -> None:
    """Add a problem for each row whose text in `key` an earlier one has."""
    seen: dict[str, Path] = {}
    for path, row in rows:
        value = row.get(key)
        text = value.text if isinstance(value, Unquoted) else value
        if not isinstance(text, str):
            continue
        first = seen.setdefault(text, path)
        if first != path:
            line = tree.line_of((*first, key))
            message = f"{text!r} is there twice (first in line {line}): delete or rename one"
            tree.add_problem((*path, key), message)
