"""What the API takes is bounded: each question's parts, and each field of what is sent."""

from collections.abc import Iterator
from typing import Any, cast

import pytest

from callctl.api.callbacks import CallbackWanted
from callctl.api.dids import SwitchTurn
from callctl.app.web import build_web
from callctl.db.pool import Database
from callctl.directory.models import Directory
from callctl.settings import Settings
from tests.unit.schema_bounds import unbounded


def _questions() -> Iterator[tuple[str, dict[str, Any]]]:
    """The name and the schema of all that is asked behind a question mark."""
    app = build_web(Settings(), cast(Database, None), lambda: Directory(1, {}))
    for path, operations in app.openapi()["paths"].items():
        for verb, operation in operations.items():
            for one in operation.get("parameters", []):
                if one["in"] == "query":
                    yield f"{verb} {path} {one['name']}", one["schema"]


def test_every_question_is_bounded() -> None:
    """No number without a highest one, no text without a length."""
    found = dict(_questions())
    assert len(found) > 10
    assert [name for name, schema in found.items() if list(unbounded(schema))] == []


@pytest.mark.parametrize("model", [CallbackWanted, SwitchTurn])
def test_every_field_that_is_sent_is_bounded(model: type[CallbackWanted | SwitchTurn]) -> None:
    """What is kept of who asks is not longer than people write."""
    assert list(unbounded(model.model_json_schema())) == []
