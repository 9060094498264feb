"""`callctl callback` and POST /v1/callbacks on real rows."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from callctl.app.web import build_web
from callctl.callbacks import Callbacks
from callctl.cli.main import app
from callctl.db.pool import Database
from callctl.errors import InvalidInput, NotFound
from callctl.settings import Settings
from tests.db.provisioning import apply_text, loaded

FILE = """\
tariffs:
  - name: out
    rates: [{price_per_minute: "0.18"}]
tenants:
  - name: acme
    account: {}
    lines: [{name: desk, number: "01062000001"}]
    groups: [{name: support, strategy: sequential, lines: [desk]}]
    dids:
      - {number: "4001234567", tariff: out, to: group:support, callback: {tariff: out}}
      - {number: "4007654321", tariff: out, to: group:support}
"""


@pytest.fixture(autouse=True)
async def _provisioned(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A number that calls back and one that does not, and an environment for commands."""
    await apply_text(database, FILE)
    monkeypatch.setenv("CALLCTL_DATABASE_URL", database_url)
    monkeypatch.setenv("CALLCTL_VAR_DIR", str(tmp_path))


async def ended(
    database: Database,
    *,
    did: str = "4001234567",
    caller: str = "+8613800138000",
    disposition: str = "no_answer",
    direction: str | None = "inbound",
) -> uuid.UUID:
    """The CDR of a call."""
    call_id = uuid.uuid4()
    await database.execute(
        "INSERT INTO cdrs (call_id, did, tenant, caller, area_code, area, disposition,"
        " hangup_cause, ended_by, setup_at, ended_at, ring_seconds, talk_seconds, cost_micros,"
        " sip_call_id, trace, direction)"
        " VALUES ($1, $2, 'acme', $3, '', '', $4, 16, 'no_line', now(), now(), 0, 0, 0, '', '[]',"
        " $5)",
        call_id,
        did,
        caller,
        disposition,
        direction,
    )
    return call_id


async def run(*arguments: object) -> Result:
    """The command, as typed."""
    words = ["callback", *map(str, arguments)]
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, words))


@pytest.fixture
async def http(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the web application."""
    directory = await loaded(database)
    transport = httpx.ASGITransport(build_web(Settings(), database, lambda: directory))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


async def test_a_missed_call_is_asked_for(database: Database) -> None:
    """The command says who will be called back by whom; a switch finds the request."""
    call_id = await ended(database)
    result = await run(call_id, "--by", "ann")

    assert result.exit_code == 0, result.exception
    assert "+8613800138000 by group support" in result.output
    claimed = await Callbacks(database).claim("switch")
    assert claimed is not None
    assert (claimed.call_id, claimed.requested_by, claimed.is_promised) == (call_id, "ann", False)


async def test_json_is_what_the_api_answers(database: Database, http: httpx.AsyncClient) -> None:
    """The same shape by the command and by GET."""
    result = await run(await ended(database), "--line", "desk", "--json")
    told = json.loads(result.output)

    assert (told["line"], told["group_name"], told["state"]) == ("desk", None, "waiting")
    assert (await http.get(f"/v1/callbacks/{told['id']}")).json() == told


@pytest.mark.parametrize(
    ("columns", "error", "why"),
    [
        ({"disposition": "answered"}, InvalidInput, "was answered"),
        ({"direction": "callback"}, InvalidInput, "is a callback itself"),
        ({"did": "4000000000"}, InvalidInput, "is not provisioned"),
        ({"did": "4007654321"}, InvalidInput, "callback: {trunk: ..., tariff: ...}"),
        ({"caller": ""}, InvalidInput, "showed no number"),
        ({"caller": "10086"}, InvalidInput, "no number of a person"),
        (None, NotFound, "callctl missed list"),
    ],
)
async def test_what_is_refused_says_why(
    database: Database, columns: dict[str, str] | None, error: type[Exception], why: str
) -> None:
    """Nothing is written for a call that can't be called back."""
    call_id = uuid.uuid4() if columns is None else await ended(database, **columns)
    result = await run(call_id)

    assert isinstance(result.exception, error)
    assert why in str(result.exception)
    assert await Callbacks(database).claim("switch") is None


async def test_a_second_request_is_refused_until_it_has_failed(
    database: Database, http: httpx.AsyncClient
) -> None:
    """Another missed call of the same caller is covered by the callback that he waits for."""
    first, second = await ended(database), await ended(database)
    answer = await http.post("/v1/callbacks", json={"call_id": str(first)})
    again = await http.post("/v1/callbacks", json={"call_id": str(second), "by": "bob"})

    assert answer.status_code == 202
    assert (again.status_code, again.json()["code"]) == (422, "invalid-input")
    assert "is being called back already" in again.json()["message"]
    await database.execute("UPDATE callbacks SET state = 'failed'")
    third = await http.post("/v1/callbacks", json={"call_id": str(second)})
    assert third.status_code == 202


async def test_what_was_done_covers_what_was_missed_before(
    database: Database, http: httpx.AsyncClient
) -> None:
    """A caller who was reached is not called for an earlier miss, but for a later one."""
    before = await ended(database)
    await http.post("/v1/callbacks", json={"call_id": str(before)})
    await database.execute("UPDATE callbacks SET state = 'done'")
    covered = await http.post("/v1/callbacks", json={"call_id": str(before)})
    after = await http.post("/v1/callbacks", json={"call_id": str(await ended(database))})

    assert "was called back already" in covered.json()["message"]
    assert after.status_code == 202


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", '{"call_id": "no id"}', 422),
        ("application/json", '{"call_id": "%s", "more": 1}', 422),
        ("text/plain", '{"call_id": "%s"}', 422),
        ("application/x-www-form-urlencoded", "call_id=%s", 422),
    ],
)
async def test_other_bodies_call_nobody(
    database: Database, http: httpx.AsyncClient, content_type: str, body: str, status: int
) -> None:
    """Only JSON of the known fields: what a page elsewhere may send without leave is refused."""
    content = body.replace("%s", str(await ended(database)))
    headers = {"content-type": content_type}
    answer = await http.post("/v1/callbacks", content=content, headers=headers)

    assert answer.status_code == status
    assert await Callbacks(database).claim("switch") is None


@pytest.mark.parametrize("name", ["", "x" * 64, "a\nb", "\u202e"])
async def test_who_asks_is_a_name(database: Database, name: str) -> None:
    """The name that later refusals show is plain text."""
    result = await run(await ended(database), "--by", name)
    assert "is no name" in str(result.exception)


async def test_an_unknown_callback_is_404(http: httpx.AsyncClient) -> None:
    """What does not exist is answered with a code."""
    answer = await http.get(f"/v1/callbacks/{uuid.uuid4()}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
