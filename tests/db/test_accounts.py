"""`callctl account`: what was at a past moment, and money taken out by hand."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from callctl.app.web import build_web
from callctl.cli.main import app
from callctl.db.pool import Database
from callctl.directory.models import Directory
from callctl.errors import InvalidInput, LedgerError, TransferMismatch
from callctl.settings import Settings
from callctl.views import Views
from tests.db.ledger_desk import open_account

_SEED = Path(__file__).with_name("views_seed.sql")
_AVAILABLE = "104.70"  # of the seed's tenant: balance 99.90, limit 5.00, held 0.20


@pytest.fixture(autouse=True)
async def _rows(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The seed's rows, and an environment in which commands find them."""
    await database.execute(_SEED.read_text())
    monkeypatch.setenv("CALLCTL_DATABASE_URL", database_url)
    monkeypatch.setenv("CALLCTL_VAR_DIR", str(tmp_path))


@pytest.fixture
async def http(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the web application over the same rows."""
    transport = httpx.ASGITransport(build_web(Settings(), database, Directory))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


async def _run(*arguments: str) -> Result:
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, ["account", *arguments]))


async def _json(*arguments: str) -> Any:
    result = await _run(*arguments, "--json")
    assert result.exit_code == 0, result.exception
    return json.loads(result.output)


async def _balance_of(database: Database, name: str) -> int:
    return (await Views(database).account(name)).balance_micros


async def test_refund_is_paid_out_of_what_is_available(database: Database) -> None:
    """A refund takes the account's money to the clearing account, all that is available."""
    account = await _json("refund", "acme", _AVAILABLE, "--memo", "contract ended")

    assert (account["available"], account["balance"], account["held"]) == ("0.00", "-4.80", "0.20")
    assert await _balance_of(database, "clearing:CNY") == -100_000_000 + 104_700_000
    [entry] = await Views(database).statement("acme", 1)
    assert (entry.kind, entry.amount_micros, entry.memo) == (
        "refund",
        -104_700_000,
        "contract ended",
    )


@pytest.mark.parametrize("command", ["refund", "fee"])
async def test_what_live_calls_hold_is_not_taken(database: Database, command: str) -> None:
    """A ten-thousandth more than is available is refused whole, though the balance has it."""
    result = await _run(command, "acme", "104.7001")

    assert isinstance(result.exception, LedgerError)
    assert "104.70 available" in str(result.exception)
    assert await _balance_of(database, "acme") == 99_900_000


async def test_fee_is_charged_once_for_one_id(database: Database) -> None:
    """A fee goes to the revenue, once for one id; other money under that id is refused."""
    transfer_id = str(uuid.uuid4())
    for _ in range(2):
        charged = await _json("fee", "acme", "9.90", "--memo", "October", "--id", transfer_id)
        assert (charged["balance"], charged["transfer_id"]) == ("90.00", transfer_id)

    other = await _run("fee", "acme", "9.80", "--id", transfer_id)

    assert isinstance(other.exception, TransferMismatch)
    assert await _balance_of(database, "revenue:CNY") == 100_000 + 9_900_000


async def test_fee_of_a_resellers_tenant_is_the_resellers(database: Database) -> None:
    """The fee goes where the tenant's calls are posted: to its reseller's revenue."""
    account = await open_account(database, "reseller:east", "reseller")
    await open_account(database, "revenue:reseller:east", "revenue")
    await database.execute(
        "INSERT INTO resellers (name, timezone, account_id, tariff_id, limits)"
        " SELECT 'east', 'Asia/Shanghai', $1, id, '{}' FROM tariffs",
        account,
    )
    await database.execute("UPDATE tenants SET reseller_id = (SELECT id FROM resellers)")

    await _json("fee", "acme", "1.00")

    assert await _balance_of(database, "revenue:reseller:east") == 1_000_000


async def test_only_those_who_pay_can_be_charged() -> None:
    """Revenue and clearing accounts belong to nobody who could pay a fee."""
    result = await _run("fee", "revenue:CNY", "0.01")

    assert isinstance(result.exception, InvalidInput)


async def test_list_hides_control_accounts(database: Database) -> None:
    """The accounts of limits, and what they count against, are listed with --all only."""
    await open_account(database, "limit:tenant:acme:cost_per_day:2026-10-01", "limit")
    await open_account(database, "usage:CNY", "usage")

    assert len(await _json("list")) == 3
    assert {account["kind"] for account in await _json("list", "--all")} == {
        *("prepaid", "revenue", "clearing", "limit", "usage"),
    }


async def test_show_at_a_moment(database: Database, http: httpx.AsyncClient) -> None:
    """Command and API show the account and its statement as they were before the last call."""
    at = await database.fetchval("SELECT created_at FROM transfers ORDER BY position LIMIT 1")

    shown = await _json("show", "acme", "--at", at.isoformat(), "--statement", "10")
    account = (await http.get("/v1/accounts/acme", params={"at": at.isoformat()})).json()
    entries = await http.get("/v1/accounts/acme/statement", params={"at": at.isoformat()})

    assert (shown["balance"], shown["held"], shown["available"]) == ("100.00", "0.00", "105.00")
    assert [entry["kind"] for entry in shown["statement"]] == ["opening"]
    assert shown.pop("statement") == entries.json()
    assert shown == account
    text = (await _run("show", "acme", "--at", at.isoformat())).output
    assert text.startswith("as of ")


async def test_moment_that_is_none_is_refused(http: httpx.AsyncClient) -> None:
    """A moment needs to be one; for the API with its zone."""
    assert "--at 'yesterday'" in str((await _run("show", "acme", "--at", "yesterday")).exception)
    for path in ("/v1/accounts/acme", "/v1/accounts/acme/statement"):
        answer = await http.get(path, params={"at": "2026-10-01T12:00:00"})
        assert answer.status_code == 422


async def test_a_payment_source_has_an_account_of_its_own(database: Database) -> None:
    """What came by the bank is the balance of clearing:bank:CNY, whoever was credited with it."""
    await _json("topup", "acme", "10.00", "--source", "bank")
    await _json("topup", "acme", "5.00", "--source", "bank")
    await _json("refund", "acme", "4.00", "--source", "card")

    assert await _balance_of(database, "clearing:bank:CNY") == -15_000_000
    assert await _balance_of(database, "clearing:card:CNY") == 4_000_000
    refused = await _run("topup", "acme", "1.00", "--source", "The Bank")
    assert isinstance(refused.exception, InvalidInput)
    assert "bank or card" in str(refused.exception)
