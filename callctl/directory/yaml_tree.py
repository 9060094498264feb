"""YAML text as plain values that remember their lines; called by directory.reading.

Only what a table of settings needs is taken: mappings, lists and scalars. Aliases and tags are
refused, depth and size are bounded, so no file can grow while it is read. Numbers are kept as
they were written unless they are plain whole numbers: no float is ever made.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.reader import ReaderError

from callctl.errors import Problem

BYTES_MAX = 4_000_000
_DEPTH_MAX = 16
_WHOLE = re.compile(r"-?(?:0|[1-9]\d{0,17})")
_TEXT_TAG = "tag:yaml.org,2002:str"
_NULL_TAG = "tag:yaml.org,2002:null"
_BOOL_TAG = "tag:yaml.org,2002:bool"

Path = tuple[str | int, ...]


class Unquoted(NamedTuple):
    """A scalar that YAML takes for something else than text (0.30, 06, 2026-01-01), as written."""

    text: str


@dataclass
class Tree:
    """The values of a file, the line of each, and what was wrong with the YAML itself."""

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line_of(self, path: Path) -> int:
        """The line of the value at `path`, or of the nearest thing around it (from 1)."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def add_problem(self, path: Path, message: str, line: int | None = None) -> None:
        """Note what is wrong at `path`."""
        self.problems.append(Problem(line or self.line_of(path), dotted(path), message))


class _StopReading(Exception):
    """The rest of the file cannot be understood."""


def dotted(path: Path) -> str:
    """Return ("tenants", 0, "name") as "tenants[0].name"."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def listed(names: Iterable[str]) -> str:
    """Return " (there is a, b)" of the first names that there are, "" of none."""
    known = sorted(names)[:8]
    return f" (there is {', '.join(known)})" if known else ""


def read_tree(content: bytes) -> Tree:
    """Read YAML `content`; what is wrong with it is in the result's `problems`, never raised."""
    tree = Tree()
    if len(content) > BYTES_MAX:
        tree.add_problem((), f"the file is over {BYTES_MAX} bytes: split it by tenants")
        return tree
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        tree.add_problem((), "this is not UTF-8 text: save the file as UTF-8", line)
        return tree
    try:
        _Builder(text, tree).build()
    except _StopReading:
        pass
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        tree.add_problem((), "there is a control character here: delete it", line)
    except MarkedYAMLError as error:
        tree.add_problem((), _explain(error), _line_of(error))
    except (YAMLError, ValueError) as error:  # ValueError: an escape or directive out of range
        tree.add_problem((), f"this is not YAML: {error}".splitlines()[0])
    return tree


def _line_of(error: MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark else 1


def _explain(error: MarkedYAMLError) -> str:
    problem = error.problem or "something is out of place"
    if "'\\t'" in problem or "tab" in problem:
        return "there is a tab here: indent with spaces"
    return f"this is not YAML: {problem} (look at the indentation, quotes and colons here)"


class _Builder:
    """Turns the parser's events into values; one pass, no alias is ever followed."""

    def __init__(self, text: str, tree: Tree) -> None:
        yaml = YAML(typ="safe", pure=True)
        self._events = iter(yaml.parse(text))
        self._resolver = yaml.resolver
        self._tree = tree

    def build(self) -> None:
        documents = 0
        for event in self._events:
            if isinstance(event, StreamEndEvent):
                break
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._stop((), "a second YAML document begins here: use one file each", event)
                self._tree.value = self._value((), next(self._events))

    def _value(self, path: Path, event: Any) -> Any:
        self._tree.lines.setdefault(path, event.start_mark.line + 1)
        if len(path) > _DEPTH_MAX:
            self._stop(path, "this is nested too deeply", event)
        if isinstance(event, AliasEvent):
            self._tree.add_problem(path, "YAML aliases are not used here: write the value again")
            return Unquoted(f"*{event.anchor}")
        if event.tag is not None and event.tag != "!":
            self._tree.add_problem(path, f"YAML tags are not used here: delete {event.tag}")
        if isinstance(event, MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(path)
        return self._scalar(event)

    def _mapping(self, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            if not isinstance(event, ScalarEvent):
                self._stop(path, "a field's name must be a plain word", event)
            name, line = event.value, event.start_mark.line + 1
            here = (*path, name)
            if name in found:
                first = self._tree.lines[here]
                message = f"this field is given twice (first in line {first}): keep one"
                self._tree.add_problem(here, message, line)
                self._value((*path, f"{name} "), next(self._events))  # read past it
                continue
            self._tree.lines[here] = line
            found[name] = self._value(here, next(self._events))
        return found

    def _sequence(self, path: Path) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            found.append(self._value((*path, len(found)), event))
        return found

    def _scalar(self, event: ScalarEvent) -> Any:
        text: str = event.value
        if not event.implicit[0]:
            return text
        tag = self._resolver.resolve(ScalarNode, text, (True, False))
        if tag == _TEXT_TAG:
            return text
        if tag == _NULL_TAG:
            return None
        if tag == _BOOL_TAG:
            return text.lower() == "true"
        return int(text) if _WHOLE.fullmatch(text) else Unquoted(text)

    def _stop(self, path: Path, message: str, event: Any) -> None:
        self._tree.add_problem(path, message, event.start_mark.line + 1)
        raise _StopReading
