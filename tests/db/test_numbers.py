"""The switch of a number, turned by command and by API."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from callctl import clock
from callctl.app.web import build_web
from callctl.cli.main import app
from callctl.db.pool import Database
from callctl.directory.manual_switch import ManualSwitches
from callctl.directory.store import DirectoryWatch
from callctl.errors import InvalidInput, NotFound
from callctl.settings import Settings
from callctl.values.schedule import ManualSwitch
from tests.db.provisioning import EVERYTHING, apply_text, changed

_DID = "4001234567"
_PATH = f"/v1/dids/{_DID}/switch"
_FOLLOW_SECONDS_MAX = 1.0


@pytest.fixture(autouse=True)
async def _provisioned(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One number, and an environment in which commands find it."""
    await apply_text(database, EVERYTHING)
    monkeypatch.setenv("CALLCTL_DATABASE_URL", database_url)
    monkeypatch.setenv("CALLCTL_VAR_DIR", str(tmp_path))


@pytest.fixture
async def watch(database: Database, database_url: str) -> AsyncIterator[DirectoryWatch]:
    """The directory as a running switch has it."""
    watch = DirectoryWatch(database, database_url)
    await watch.reload()
    following = asyncio.create_task(watch.run())
    yield watch
    following.cancel()


@pytest.fixture
async def http(database: Database, watch: DirectoryWatch) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the web application."""
    transport = httpx.ASGITransport(build_web(Settings(), database, lambda: watch.current))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


async def _run(*arguments: str) -> Result:
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, ["number", *arguments]))


async def _listed(*arguments: str) -> dict[str, Any]:
    result = await _run(*arguments, "--json")
    assert result.exit_code == 0, result.exception
    (number,) = json.loads(result.output)
    assert isinstance(number, dict)
    return number


async def test_running_switch_follows_each_turn(database: Database, watch: DirectoryWatch) -> None:
    """Within a second new calls see the position that was set last, by whatever spelling."""
    switches = ManualSwitches(database)
    for position in (ManualSwitch.CLOSED, ManualSwitch.OPEN, ManualSwitch.SCHEDULE):
        assert await switches.turn("+86 400-123-4567", position, by="test") == _DID
        deadline = clock.monotonic() + _FOLLOW_SECONDS_MAX
        while watch.current.dids[_DID].switch is not position:
            assert clock.monotonic() < deadline, position
            await clock.sleep(0.01)


async def test_switch_survives_an_apply_of_its_number(database: Database) -> None:
    """What people switched by hand is not undone by a file that says nothing of it."""
    await ManualSwitches(database).turn(_DID, ManualSwitch.CLOSED, by="test")
    await apply_text(database, changed(("3600", "3500")))

    found = await ManualSwitches(database).positions()

    assert (found[_DID].position, found[_DID].changed_by) == (ManualSwitch.CLOSED, "test")


@pytest.mark.parametrize("did", ["4000000000", "", "x'; DROP TABLE dids; --", "400123456"])
async def test_number_that_is_not_there_is_refused(database: Database, did: str) -> None:
    """A switch that nobody has is named, and nothing is written."""
    with pytest.raises(NotFound, match="callctl number list"):
        await ManualSwitches(database).turn(did, ManualSwitch.OPEN, by="test")
    assert await ManualSwitches(database).positions() == {}


@pytest.mark.parametrize("name", ["", "x" * 64, "a\nb", "<b>", "\u202e"])
async def test_who_turns_it_is_a_name(database: Database, name: str) -> None:
    """The name that lists show is plain text."""
    with pytest.raises(InvalidInput, match="is no name"):
        await ManualSwitches(database).turn(_DID, ManualSwitch.OPEN, by=name)


async def test_command_turns_and_lists() -> None:
    """The list says how the switch stands, whether it is open, why, since when and by whom."""
    before = await _listed("list")
    assert (before["switch"], before["is_open"], before["changed_by"]) == ("schedule", True, None)

    turned = await _listed("switch", _DID, "closed", "--by", "Zhang San")

    assert (turned["switch"], turned["is_open"], turned["why"]) == (
        "closed",
        False,
        "switched by hand",
    )
    after = await _listed("list")
    assert (after["changed_by"], after["tenant"]) == ("Zhang San", "acme")
    assert "Zhang San" in (await _run("list")).output
    assert (await _run("switch", _DID, "half")).exit_code == 2
    assert isinstance((await _run("switch", "4000000000", "open")).exception, NotFound)


async def test_schedule_says_why_it_is_closed(database: Database) -> None:
    """A number without hours is closed, unless it was opened by hand."""
    never = "    schedules: [{name: never, hours: []}]\n    lines:"
    text = EVERYTHING.replace("    lines:", never, 1).replace(
        "        lines: [desk]", "        lines: [desk]\n        schedule: never"
    )
    await apply_text(database, text)

    closed = await _listed("list")
    opened = await _listed("switch", _DID, "open")

    assert (closed["schedule"], closed["is_open"]) == ("never", False)
    assert "never is closed" in closed["why"]
    assert opened["is_open"] is True


async def test_api_lists_and_turns(http: httpx.AsyncClient) -> None:
    """PUT answers with the number as it stands now, and GET shows it."""
    answer = await http.put(_PATH, json={"position": "closed", "by": "crm"})
    (listed,) = (await http.get("/v1/dids")).json()

    assert (answer.status_code, answer.json()) == (200, listed)
    assert (listed["did"], listed["switch"], listed["changed_by"]) == (_DID, "closed", "crm")
    assert listed["is_open"] is False


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/dids/4000000000/switch", {"position": "open"}, 404),
        (_PATH, {"position": "half"}, 422),
        (_PATH, {"position": "open", "by": "<script>"}, 422),
        (_PATH, {"position": "open", "more": 1}, 422),
        (_PATH, {}, 422),
    ],
)
async def test_api_refuses_what_is_wrong(
    http: httpx.AsyncClient, path: str, body: dict[str, object], status: int
) -> None:
    """A wrong turn changes nothing and says what is wrong."""
    assert (await http.put(path, json=body)).status_code == status
    assert (await http.get("/v1/dids")).json()[0]["changed_at"] is None


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
async def test_a_form_of_another_page_turns_nothing(http: httpx.AsyncClient, kind: str) -> None:
    """What a page elsewhere can make a browser send without asking is not taken."""
    body = b'{"position": "closed"}'
    headers = {"Content-Type": kind, "Origin": "https://evil.example"} if kind else {}

    put = await http.put(_PATH, content=body, headers=headers)
    post = await http.post(_PATH, content=body, headers=headers)
    asked = await http.options(
        _PATH,
        headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "PUT"},
    )

    assert (put.status_code, post.status_code, asked.status_code) == (422, 405, 405)
    assert "access-control-allow-origin" not in asked.headers
    assert (await http.get("/v1/dids")).json()[0]["changed_at"] is None
