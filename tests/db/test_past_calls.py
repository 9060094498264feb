"""`callctl call explain` over real rows."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from callctl.cli.main import app
from callctl.db.pool import Database

_SEED = Path(__file__).with_name("views_seed.sql")
_ANSWERED = "00000000-0000-0000-0000-0000000000c1"
_REFUSED = "00000000-0000-0000-0000-0000000000c2"


@pytest.fixture(autouse=True)
async def _rows(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await database.execute(_SEED.read_text())
    monkeypatch.setenv("CALLCTL_DATABASE_URL", database_url)
    monkeypatch.setenv("CALLCTL_VAR_DIR", str(tmp_path))


async def _explain(*arguments: str) -> Result:
    command = ["call", "explain", *arguments]
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, command))


async def test_a_past_call_is_explained_from_its_record() -> None:
    """Rules, legs with tariff and cost, and what came of it as the last line."""
    result = await _explain(_ANSWERED)

    assert result.exit_code == 0, result.exception
    lines = result.output.splitlines()
    assert "line beijing  yes      default line" in lines
    assert any("inbound v1" in line and "0.10" in line for line in lines)
    assert lines[-1] == (
        "outcome: answered by line beijing, ended by caller (cause 16), 30.0 s of talk, 0.10 CNY"
    )


async def test_a_refused_call_is_explained_too() -> None:
    """Without legs and without a line."""
    lines = (await _explain(_REFUSED)).output.splitlines()

    assert "no legs" in lines
    assert lines[-1] == "outcome: rejected, ended by callctl (cause 21), 0.00 CNY"


async def test_json_is_the_calls_record() -> None:
    """The shape of callctl cdr list."""
    told = json.loads((await _explain(_ANSWERED, "--json")).output)

    assert (told["call_id"], told["cost"], len(told["legs"])) == (_ANSWERED, "0.10", 2)
