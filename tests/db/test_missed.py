"""Missed calls: from a CDR, its trace, a voicemail and a callback to a reason in plain words."""

import asyncio
import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from callctl import clock
from callctl.app.web import build_web
from callctl.cli.main import app
from callctl.db.pool import Database
from callctl.directory.models import Directory
from callctl.recording import Folder
from callctl.settings import Settings
from callctl.views import CdrFilter, MissedReason, Views
from callctl.voicemail import Voicemails
from tests.db.test_voicemails import NEW as VOICEMAIL
from tests.db.test_voicemails import SOUND

AT = datetime(2026, 11, 25, 14, 5, tzinfo=UTC)
CLOSED = {"rule": "schedule", "matched": False, "why": "office is closed at 22:05"}
BY_HAND = {"rule": "switch", "matched": True, "why": "the number is switched closed by hand"}
OPENED = {"rule": "switch", "matched": True, "why": "the number is switched open by hand"}
OTHERWISE = {"rule": "group sales otherwise", "matched": True, "why": "voicemail:night"}


async def _ended(
    database: Database,
    *,
    ended_by: str = "caller",
    stage: str | None = "ringing",
    trace: tuple[dict[str, Any], ...] = (),
    **columns: Any,
) -> uuid.UUID:
    """A CDR of a call that lasted 7.5 s."""
    row: dict[str, Any] = {
        "call_id": uuid.uuid4(),
        "did": "4001234567",
        "tenant": "acme",
        "caller": "+8613901710001",
        "area_code": "310000",
        "area": "上海",
        "disposition": "cancelled",
        "hangup_cause": 16,
        "ended_by": ended_by,
        "setup_at": AT,
        "ended_at": AT + timedelta(seconds=7.5),
        "ring_seconds": 1,
        "talk_seconds": 0,
        "cost_micros": 0,
        "sip_call_id": "",
        "trace": list(trace),
        "stage": stage,
        "direction": "inbound",
        **columns,
    }
    names = ", ".join(row)
    places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    statement = f"INSERT INTO cdrs ({names}) VALUES ({places})"  # noqa: S608 - our own names
    await database.execute(statement, *row.values())
    call_id = row["call_id"]
    assert isinstance(call_id, uuid.UUID)
    return call_id


@pytest.mark.parametrize(
    ("ended_by", "stage", "trace", "reason", "why"),
    [
        ("caller", "ringing", (), "abandoned", "the caller gave up while it rang"),
        ("caller", None, (), "abandoned", "the caller gave up while it rang"),
        ("caller", "menu", (), "abandoned", "the caller gave up in the menu"),
        ("caller", "queued", (), "abandoned", "the caller gave up in the queue"),
        ("caller", "greeting", (OPENED,), "abandoned", "the caller gave up in the greeting"),
        ("caller", "message", (), "abandoned", "the caller gave up during a message"),
        ("no_line", "ringing", (), "no_answer", "no line took the call"),
        ("overflowed", "queued", (), "no_answer", "the queue was full, or the wait too long"),
        ("caller", "voicemail", (OTHERWISE,), "no_answer", "no line took the call"),
        ("caller", "voicemail", (), "voicemail", "the call was led to the voicemail"),
        ("caller", "voicemail", (CLOSED,), "closed", "out of hours"),
        ("closed", "ringing", (CLOSED,), "closed", "out of hours"),
        ("closed", "message", (BY_HAND,), "closed", "out of hours"),
        ("caller", "message", (BY_HAND,), "closed", "out of hours"),
        ("caller", "callback", (), "callback", "the caller asked to be called back"),
        ("blacklisted", "ringing", (), "blocked", "the caller is on a block list"),
        ("area_blocked", "ringing", (), "blocked", "callers from there are blocked"),
        ("caller_rate", "ringing", (), "blocked", "the caller called too often"),
        ("not_allowed", "ringing", (), "blocked", "the caller is on no list of those who may call"),
        ("no_credit", "ringing", (), "no_money", "the account could not pay"),
        ("no_reseller_credit", "ringing", (), "no_money", "the account could not pay"),
        ("limit_concurrent_calls", "ringing", (), "limit", "a limit was reached"),
        ("no_key", "menu", (), "no_key", "the caller pressed no key that leads on"),
        ("message", "message", (), "message", "the call was answered by a message only"),
        ("no_rate", "ringing", (), "fault", "the tariff has no price for the call"),
        ("internal_error", "menu", (), "fault", "something failed (internal_error)"),
    ],
)
async def test_reason(
    database: Database, ended_by: str, stage: str | None, trace: Any, reason: str, why: str
) -> None:
    """Each way in which a call can be missed has a reason, and words for it."""
    await _ended(database, ended_by=ended_by, stage=stage, trace=trace)
    views = Views(database)

    [call] = await views.missed(CdrFilter())

    assert (call.reason.value, call.why, float(call.waited_seconds)) == (reason, why, 7.5)
    assert await views.missed(CdrFilter(), MissedReason(reason)) == [call]
    others = [one for one in MissedReason if one != reason]
    assert [await views.missed(CdrFilter(), other) for other in others] == [[]] * len(others)


async def test_what_is_not_missed(database: Database) -> None:
    """Calls that talked, that were ours, and those to a number of nobody are not in the list."""
    await _ended(database, answered_at=AT, stage="talking")
    await _ended(database, direction="callback")
    await _ended(database, ended_by="unknown_number", tenant=None)

    assert await Views(database).missed(CdrFilter()) == []


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (CdrFilter(tenant="acme"), 2),
        (CdrFilter(tenant="other"), 0),
        (CdrFilter(did="400-123-4567"), 2),
        (CdrFilter(did="4001234568"), 0),
        (CdrFilter(caller="13901710001"), 2),
        (CdrFilter(since=AT + timedelta(hours=1)), 1),
        (CdrFilter(limit=1), 1),
    ],
)
async def test_missed_calls_filter(database: Database, wanted: CdrFilter, count: int) -> None:
    """Every condition narrows, and numbers match in any spelling."""
    await _ended(database)
    late = AT + timedelta(hours=2)
    await _ended(database, setup_at=late, ended_at=late)

    assert len(await Views(database).missed(wanted)) == count


async def test_missed_call_shows_its_voicemail(database: Database, tmp_path: Path) -> None:
    """Whether a message was left is in the list; one that was begun only is none."""
    left, silent = [await _ended(database, stage="voicemail") for _ in range(2)]
    voicemails = Voicemails(database, Folder(tmp_path))
    for call_id in (left, silent):
        await voicemails.begin(replace(VOICEMAIL, call_id=call_id), clock.now())
    (tmp_path / f"{left}-voicemail.wav").write_bytes(SOUND)
    await voicemails.end(replace(VOICEMAIL, call_id=left))

    missed = {call.call_id: call for call in await Views(database).missed(CdrFilter())}

    assert missed[left].voicemail_seconds == 3
    assert missed[left].voicemail_id == replace(VOICEMAIL, call_id=left).id
    assert missed[silent].voicemail_id is None


async def test_missed_call_shows_its_callback(database: Database) -> None:
    """One callback answers every call that the caller had missed before it, and no later one."""
    first, second = await _ended(database), await _ended(database)
    late = AT + timedelta(hours=2)
    later = await _ended(database, setup_at=late, ended_at=late)
    other = await _ended(database, caller="+8613901710002")
    await database.execute(
        "INSERT INTO callbacks (id, call_id, tenant, did, caller, is_promised, requested_at,"
        " requested_by, expires_at, state) VALUES (gen_random_uuid(), $1, 'acme', '4001234567',"
        " '+8613901710001', false, $2, 'li', $2, 'done')",
        second,
        AT + timedelta(hours=1),
    )

    states = {call.call_id: call.callback for call in await Views(database).missed(CdrFilter())}

    assert states == {first: "done", second: "done", later: None, other: None}


async def test_commands_and_api_show_the_same(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`callctl missed list`, /v1/missed and /v1/voicemails tell of the same call."""
    monkeypatch.setenv("CALLCTL_DATABASE_URL", database_url)
    call_id = await _ended(database, stage="voicemail", trace=(CLOSED,))
    voicemail = replace(VOICEMAIL, call_id=call_id)
    voicemails = Voicemails(database, Folder(tmp_path))
    await voicemails.begin(voicemail, clock.now())
    (tmp_path / f"{voicemail.name}.wav").write_bytes(SOUND)
    await voicemails.end(voicemail)
    options = ["missed", "list", "--reason", "closed"]

    table = await asyncio.to_thread(lambda: CliRunner().invoke(app, options))
    listed = await asyncio.to_thread(lambda: CliRunner().invoke(app, [*options, "--json"]))
    web = httpx.ASGITransport(build_web(Settings(), database, Directory))
    async with httpx.AsyncClient(transport=web, base_url="http://127.0.0.1") as client:
        missed = (await client.get("/v1/missed", params={"reason": "closed"})).json()
        said = (await client.get("/v1/voicemails", params={"tenant": "acme"})).json()
        wrong = await client.get("/v1/missed", params={"reason": "none"})

    assert "out of hours" in table.output
    assert json.loads(listed.output) == missed
    [call], [voice] = missed, said
    assert (call["why"], call["voicemail_id"]) == ("out of hours", voice["id"])
    assert (voice["call_id"], voice["seconds"]) == (str(call_id), 3.0)
    assert wrong.status_code == 422
