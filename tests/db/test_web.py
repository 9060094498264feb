"""API and console over real rows, called as HTTP without a socket."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from callctl.app.web import build_web
from callctl.db.pool import Database
from callctl.directory.models import Directory
from callctl.settings import Settings

_SEED = Path(__file__).with_name("views_seed.sql")
_HOSTILE = '<script>alert(1)</script>" onmouseover="x'


@pytest.fixture
async def http(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the web application over the seed's rows."""
    await database.execute(_SEED.read_text())
    transport = httpx.ASGITransport(build_web(Settings(), database, Directory))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


async def test_health_tells_the_schema(http: httpx.AsyncClient) -> None:
    """A web process that reads its database says so."""
    answer = await http.get("/health")

    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert answer.json()["schema_version"] >= 4


async def test_calls_tell_seconds_and_cost(http: httpx.AsyncClient) -> None:
    """A live call comes with its cost so far as text and in micro-units."""
    (call,) = (await http.get("/v1/calls")).json()

    assert (call["stage"], call["line"], call["caller"]) == ("talking", "beijing", "+861062345678")
    assert call["cost_micros"] == call["charges"][0]["cost_micros"] > 0
    assert call["setup_at"] == "2026-10-01T14:00:00Z"


async def test_cdrs_narrow_by_caller(http: httpx.AsyncClient) -> None:
    """One caller's CDR comes with legs, cost and trace."""
    (cdr,) = (await http.get("/v1/cdrs", params={"caller": "13901710001"})).json()

    assert (cdr["cost"], cdr["currency"], cdr["talk_seconds"]) == ("0.10", "CNY", 30.0)
    assert [leg["side"] for leg in cdr["legs"]] == ["a", "b"]
    assert cdr["trace"] == [{"rule": "line beijing", "matched": True, "why": "default line"}]


async def test_account_and_statement_agree(http: httpx.AsyncClient) -> None:
    """The statement ends at the balance that the account shows."""
    account = (await http.get("/v1/accounts/tenant:acme")).json()
    statement = (await http.get("/v1/accounts/acme/statement", params={"limit": 1})).json()

    assert (account["balance"], account["held"], account["available"]) == (
        "99.90",
        "0.20",
        "104.70",
    )
    assert [entry["balance"] for entry in statement] == ["99.90"]
    assert len((await http.get("/v1/accounts")).json()) == 3


@pytest.mark.parametrize("path", ["/v1/accounts/nobody", "/v1/accounts/nobody/statement"])
async def test_unknown_account_is_404_with_a_code(http: httpx.AsyncClient, path: str) -> None:
    """What does not exist is answered with a code for programs and words for people."""
    answer = await http.get(path)

    assert answer.status_code == 404
    assert answer.json()["code"] == "account-unknown"
    assert "nobody" in answer.json()["message"]


async def test_wrong_limit_is_refused(http: httpx.AsyncClient) -> None:
    """A limit out of range never reaches the database."""
    assert (await http.get("/v1/cdrs", params={"limit": 0})).status_code == 422


async def test_foreign_host_name_is_refused(http: httpx.AsyncClient) -> None:
    """A page elsewhere that points its own name at this machine reads nothing."""
    answer = await http.get("/v1/cdrs", headers={"Host": "evil.example"})

    assert answer.status_code == 400


async def test_console_shows_calls_cdrs_and_balances(http: httpx.AsyncClient) -> None:
    """The page holds the live call, both CDRs and the tenant's balance, and loads only its own."""
    answer = await http.get("/")

    for text in ("+861062345678", "+8613901710001", "rejected", "99.90"):
        assert text in answer.text
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    for path in ("/console.css", "/console.js"):
        assert (await http.get(path)).status_code == 200


async def test_console_escapes_a_hostile_caller(
    http: httpx.AsyncClient, database: Database
) -> None:
    """Markup in a caller id is shown as text, in live calls and in CDRs."""
    for table in ("live_calls", "cdrs"):
        await database.execute(f"UPDATE {table} SET caller = $1, area = $1", _HOSTILE)  # noqa: S608

    page = (await http.get("/")).text

    assert "<script>alert" not in page
    assert '" onmouseover="' not in page
    assert page.count("&lt;script&gt;alert(1)") == 6
