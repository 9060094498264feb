"""The commands that read and credit, over real rows."""

import asyncio
import json
import signal
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from callctl.cli.main import app
from callctl.db.pool import Database
from callctl.errors import AccountUnknown, InvalidInput, TransferMismatch
from callctl.views import Views

_SEED = Path(__file__).with_name("views_seed.sql")


@pytest.fixture(autouse=True)
async def _rows(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The seed's rows, and an environment in which commands find them."""
    await database.execute(_SEED.read_text())
    monkeypatch.setenv("CALLCTL_DATABASE_URL", database_url)
    monkeypatch.setenv("CALLCTL_VAR_DIR", str(tmp_path))


async def _run(*arguments: str) -> Result:
    """Run a command as main() does, in a thread: commands have an event loop of their own."""
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, list(arguments)))


async def _json(*arguments: str) -> Any:
    result = await _run(*arguments, "--json")
    assert result.exit_code == 0, result.exception
    return json.loads(result.output)


async def test_cdr_list_is_a_table_of_words() -> None:
    """Piped output is aligned text: one heading, one line a call, newest first."""
    result = await _run("cdr", "list")

    heading, rejected, answered = result.output.splitlines()
    assert heading.split()[:3] == ["time", "did", "caller"]
    assert "rejected" in rejected
    assert "0.10 CNY" in answered
    assert heading.index("caller") == rejected.index("unknown") == answered.index("+8613901710001")


async def test_cdr_list_json_has_legs_and_trace() -> None:
    """With --json the API's shape is printed, narrowed by the options."""
    (cdr,) = await _json("cdr", "list", "--caller", "13901710001", "--did", "4006001234")

    assert (cdr["cost"], len(cdr["legs"])) == ("0.10", 2)
    assert await _json("cdr", "list", "--since", "1h", "--tenant", "other") == []


async def test_cdr_trace_shows_legs_and_rules() -> None:
    """With --trace each call tells its legs and why it went so."""
    result = await _run("cdr", "list", "--trace", "--limit", "2")

    assert "blacklist  yes      caller is listed" in result.output
    assert "inbound v1" in result.output


async def test_hostile_text_does_not_reach_the_terminal(database: Database) -> None:
    """Escape sequences, line breaks and rich's markup in a caller id are shown, not obeyed."""
    await database.execute("UPDATE cdrs SET caller = $1", "\x1b[2J[bold]x\r\n\u202e9")

    result = await _run("cdr", "list")

    assert "?[2J[bold]x???9" in result.output
    assert "\x1b" not in result.output


async def test_account_list_and_show() -> None:
    """Balances come as exact text; the tenant's name finds its account."""
    assert [account["name"] for account in await _json("account", "list")] == [
        "clearing:CNY",
        "tenant:acme",
        "revenue:CNY",
    ]
    account = await _json("account", "show", "acme", "--statement", "5")
    assert (account["available"], account["credit_limit"]) == ("104.70", "5.00")
    assert [entry["amount"] for entry in account["statement"]] == ["100.00", "-0.10"]
    shown = (await _run("account", "show", "acme", "--statement", "5")).output
    assert "+8613901710001" in shown


async def test_topup_credits_once_for_one_id(database: Database) -> None:
    """The same id credits once, however often it is sent; other money under it is refused."""
    transfer_id = str(uuid.uuid4())
    for _ in range(2):
        credited = await _json("account", "topup", "acme", "50.00", "--id", transfer_id)
        assert (credited["balance"], credited["transfer_id"]) == ("149.90", transfer_id)

    other = await _run("account", "topup", "acme", "60.00", "--id", transfer_id)

    assert isinstance(other.exception, TransferMismatch)
    last = (await Views(database).statement("acme", 1))[0]
    assert (last.kind, last.amount_micros) == ("topup", 50_000_000)


@pytest.mark.parametrize("amount", ["0", "1e3", "0.0000001", "1,000"])
async def test_topup_refuses_what_is_no_amount(amount: str) -> None:
    """Only a plain positive decimal is money."""
    assert isinstance((await _run("account", "topup", "acme", amount)).exception, InvalidInput)


async def test_topup_of_nobody_is_refused() -> None:
    """An account that does not exist is named, and nothing is created."""
    result = await _run("account", "topup", "nobody", "1.00")

    assert isinstance(result.exception, AccountUnknown)


async def test_calls_show_seconds_and_cost() -> None:
    """A live call is shown with what it costs by now."""
    (call,) = await _json("calls")

    assert call["cost_micros"] == call["charges"][0]["cost_micros"] > 0
    assert "talking" in (await _run("calls")).output


async def test_calls_watch_goes_on_until_interrupted() -> None:
    """With --watch --json each second is a line, and Ctrl-C ends it without a traceback."""
    process = await asyncio.create_subprocess_exec(
        # who runs the tests in the background may have Ctrl-C ignored, which children inherit
        *("env", "--default-signal=INT"),
        *(sys.executable, "-m", "callctl", "calls", "--watch", "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        lines = [json.loads(await process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        _, complaint = await process.communicate()

    assert [line[0]["did"] for line in lines] == ["4006001234"] * 2
    assert (process.returncode, complaint) == (130, b"")
