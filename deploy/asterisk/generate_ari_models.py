"""Write callctl/ari/models.py from Asterisk's own description of its REST interface.

Run by a developer after a change of Asterisk's version, with the folder of the image that holds
the description (usually /usr/share/asterisk/rest-api):

    python deploy/asterisk/generate_ari_models.py REST_API_FOLDER > callctl/ari/models.py

tests/ari checks that the committed file is what this script writes for the image in use.
"""

import json
import keyword
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_SCALARS = {
    "string": "str",
    "int": "int",
    "long": "int",
    "double": "float",
    "boolean": "bool",
    "Date": "datetime",
    "object": "dict[str, Any]",
    "containers": "dict[str, Any]",
}
_LIST = re.compile(r"^List\[(\w+)\]$")
# Said to be required, yet absent when the module that knows them is not loaded.
_OPTIONAL = {("Application", "device_names")}
_HEADER = '''\
"""Asterisk's ARI models and events, typed; read by callctl.ari and those who get its events.

Generated from Asterisk's description of its REST interface: do not edit, run
deploy/asterisk/generate_ari_models.py. Fields unknown to that description are kept.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class AriModel(BaseModel):
    """What every model of the REST interface has: unknown fields are kept, not refused."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)
'''

Model = dict[str, Any]


def python_type(name: str) -> str:
    """Python's spelling of a type of the description."""
    if match := _LIST.match(name):
        return f"list[{python_type(match[1])}]"
    return _SCALARS.get(name, name)


def references(model: Model) -> Iterator[str]:
    """The other models that a model's fields name."""
    for field in model["properties"].values():
        match = _LIST.match(field["type"])
        name = match[1] if match else field["type"]
        if name not in _SCALARS:
            yield name


def is_required(model: str, name: str, field: Model) -> bool:
    """Whether Asterisk always sends the field."""
    return bool(field.get("required")) and (model, name) not in _OPTIONAL


def field_line(name: str, field: Model, *, optional: bool) -> str:
    """One annotated field; what is not required may be absent."""
    annotation = python_type(field["type"])
    if keyword.iskeyword(name):
        default = "default=None, " if optional else ""
        value = f' = Field({default}alias="{name}")'
        name = f"{name}_"
    else:
        value = " = None" if optional else ""
    return f"    {name}: {annotation}{' | None' if optional else ''}{value}"


def in_dependency_order(models: dict[str, Model], bases: dict[str, str]) -> list[str]:
    """Names of all models so that each comes after what it names."""
    ordered: dict[str, None] = {}

    def visit(name: str) -> None:
        if name in ordered:
            return
        if name in bases:
            visit(bases[name])
        for needed in references(models[name]):
            visit(needed)
        ordered[name] = None

    for name in sorted(models):
        visit(name)
    return list(ordered)


def class_text(name: str, model: Model, base: str, *, is_event: bool) -> str:
    """The Python class of one model."""
    kind = "event" if is_event else "model"
    lines = [f"class {name}({base}):", f'    """Asterisk\'s {kind} {name}."""', ""]
    if is_event:
        lines.append(f'    type: Literal["{name}"]')
    fields = [(n, f, not is_required(name, n, f)) for n, f in model["properties"].items()]
    fields.sort(key=lambda field: field[2])  # required ones first, else in Asterisk's order
    lines += [field_line(n, f, optional=optional) for n, f, optional in fields]
    return "\n".join(lines).rstrip() + "\n"


def models_text(folder: Path) -> str:
    """The whole module for the description in `folder`."""
    models: dict[str, Model] = {}
    for path in sorted(folder.glob("*.json")):
        models |= json.loads(path.read_bytes()).get("models", {})
    bases = {child: name for name, m in models.items() for child in m.get("subTypes", ())}
    events = models["Event"]["subTypes"]
    classes = [
        class_text(name, models[name], bases.get(name, "AriModel"), is_event=name in events)
        for name in in_dependency_order(models, bases)
    ]
    table = "".join(f'    "{name}": {name},\n' for name in sorted(events))
    footer = f"EVENTS: dict[str, type[Event]] = {{\n{table}}}\n"
    return "\n\n".join([_HEADER, *classes, footer])


if __name__ == "__main__":
    sys.stdout.write(models_text(Path(sys.argv[1])))
