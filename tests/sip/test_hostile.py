"""Ten thousand hostile strings over real SIP, in every place where a stranger's text gets in.

Each string is the user of From, the display name, what was dialled, and the value of headers; most
calls are refused by the number's list, some ring a line. CALLCTL_HOSTILE=full, and CI, send each
string in each place, otherwise each in one of them.
"""

import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from callctl.audio import add_audio
from callctl.audio.store import check_name
from callctl.audio.uploading import clean_name
from callctl.db.pool import Database
from callctl.directory.apply import apply
from callctl.directory.reading import read_document
from callctl.errors import AriRefused, InvalidInput
from callctl.stack.asterisk import Asterisk
from callctl.stack.processes import Child
from tests.agents import Busy
from tests.agents.prompts import tone_wav
from tests.demo.world import World, eventually
from tests.sip.barrage import Barrage, Invite
from tests.sip.hostile_corpus import corpus, header_value, quoted_string, uri_user

_IS_FULL = os.environ.get("CALLCTL_HOSTILE") == "full" or os.environ.get("CI") == "true"
_PLACES = 5  # of an INVITE in which a string is sent
_LEG = re.compile(  # a line of Asterisk's own record: nothing of a stranger's is in it
    r"(?:ANSWER|HANGUP),\d+\.\d{6},[\w.;-]+,[\w.;-]+,(?:[0-9a-f-]{36})?,"
    r'[A-Za-z]+/[\w.;@/-]+(?:,(?:"\{[ -~]*\}")?)?',
    re.ASCII,
)
_STEP = 1 if _IS_FULL else _PLACES
_RUNG_EVERY, _CANCELLED_EVERY, _DIALLED_EVERY = 20, 7, 4
_FORTRESS, _OPEN, _LINE = b"4005550001", b"4005550002", "01062005550"
_TENANT = """\
tariffs: [{name: free, rates: [{price_per_minute: "0"}]}]
tenants:
  - name: fortress
    account: {opening_balance: "100"}
    lists: [{name: friends, mode: allow_only, numbers: ["01099999999"]}]
    lines: [{name: gate, number: "01062005550", ring_seconds: 3}]
    dids:
      - {number: "4005550001", tariff: free, lines: [gate], lists: [friends]}
      - {number: "4005550002", tariff: free, lines: [gate]}
"""
_CHANGED_BY_CALLS = {
    "cdrs",
    "cdr_legs",
    "cdr_charges",
    "live_calls",
    "line_states",
    "switch_leases",
}
_REASONS = {"not_allowed", "no_line", "caller", "unknown_number", "code_refused", "loop", "busy"}
_SENT_HEADERS = {
    *("via", "from", "to", "contact", "call-id", "cseq", "allow", "supported", "user-agent"),
    *("max-forwards", "content-type", "content-length", "p-asserted-identity", "privacy"),
    *("session-expires", "min-se", "remote-party-id", "record-route", "route"),
}
_SPOKEN = re.compile(r"[\w .,:;()/#*+=?!'-]*")


def _invites(strings: list[str]) -> Iterator[Invite]:
    """INVITEs of which the strings take the places in turn, each another string."""
    for index in range(0, len(strings), _STEP):
        user, name, dialled, value, other = (
            strings[(index + place) % len(strings)] for place in range(_PLACES)
        )
        number = _OPEN if index // _STEP % _RUNG_EVERY == 0 else _FORTRESS
        if index // _STEP % _DIALLED_EVERY == 1:
            number = (b"4" if index % 3 else b"*2") + uri_user(dialled)
        yield Invite(
            call_id=f"hostile-{index}",
            dialled=number,
            from_user=uri_user(user),
            display_name=quoted_string(name),
            headers=(
                b"P-Asserted-Identity: "
                + quoted_string(other)
                + b" <sip:"
                + uri_user(user)
                + b"@x>",
                b"Diversion: <sip:" + uri_user(value) + b"@x>;reason=" + uri_user(other),
                b"Subject: " + header_value(value),
                b"X-Note: " + header_value(dialled),
                b"User-Agent: " + header_value(other),
            ),
            is_cancelled=index // _STEP % _CANCELLED_EVERY == 3,
        )


@pytest.fixture
async def fortress(world: World) -> World:
    """The world with a number that refuses everybody, and one that lets everybody in."""
    await apply(world.database, read_document(_TENANT.encode()))
    world.carrier.line(_LINE, Busy())

    async def is_known() -> bool | None:
        call = await world.call(_FORTRESS.decode(), "13800138000")
        await call.ended()
        return True if (await world.cdr(call)).ended_by == "not_allowed" else None

    await eventually(is_known, "the tenant to be known", 5.0)
    return world


async def _digests(database: Database) -> dict[str, str]:
    """A digest of every table that calls do not change, and the names of all."""
    rows = await database.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    names = sorted(row["relname"] for row in rows)
    found = {"": ",".join(names)}
    for name in set(names) - _CHANGED_BY_CALLS:
        rows = await database.fetch(f"SELECT t::text AS row FROM {name} AS t")  # noqa: S608 - ours
        text = "|".join(sorted(row["row"] for row in rows))
        found[name] = hashlib.sha256(text.encode()).hexdigest()
    return found


@pytest.mark.timeout(300)
async def test_hostile_strings_reach_nothing(
    fortress: World, asterisk: Asterisk, switch: Child, tmp_path: Path
) -> None:
    """Whatever strangers send, what is kept, logged and sent on is numbers and clean words."""
    world, database = fortress, fortress.database
    before, process = await _digests(database), await asterisk.pid()
    known = await database.fetchval("SELECT count(*) FROM cdrs")
    of_before = asterisk.legs_path.stat().st_size if asterisk.legs_path.exists() else 0
    strings = corpus()
    barrage = Barrage(("127.0.0.1", world.sip_port))

    await barrage.fire(_invites(strings))

    async def is_quiet() -> bool | None:
        with suppress(AriRefused):  # a channel with bytes that ARI can't tell lives for an instant
            calls = await world.views.live_calls() or await world.ari.channels.list()
            return None if calls else True
        return None

    await eventually(is_quiet, "all calls to end", 20.0)
    sent = sum(barrage.statuses.values())
    assert sent == len(strings) // _STEP
    assert barrage.statuses[200] == 0
    assert barrage.statuses[403] > sent / 2, barrage.statuses
    assert barrage.statuses[0] < sent / 5, barrage.statuses
    assert (await asterisk.pid(), switch.is_running) == (process, True)
    _check_log((tmp_path / "switch.log").read_bytes())
    await _check_cdrs(database, at_least=known + sent // 2)
    _check_sent(world)
    assert await _digests(database) == before
    lines = asterisk.legs_path.read_bytes()[of_before:].decode("ascii").splitlines()
    assert [line for line in lines if not _LEG.fullmatch(line)] == []
    await world.nothing_left()


def _check_log(log: bytes) -> None:
    """Each line is one JSON object without a raw control character, and none tells of a fault."""
    for line in log.decode("utf-8").splitlines():
        event = json.loads(line)
        assert _is_printable(line), line
        assert event["event"] != "call_failed", line
        assert event["level"] in {"info", "debug", "warning"}, line


async def _check_cdrs(database: Database, *, at_least: int) -> None:
    rows = await database.fetch("SELECT * FROM cdrs")
    assert len(rows) >= at_least
    for row in rows:
        assert re.fullmatch(r"\+?[0-9]*", row["caller"]), row["caller"]
        assert re.fullmatch(r"[0-9]*", row["did"]), row["did"]
        assert row["tenant"] in {"fortress", "acme", None}
        assert row["line"] in {"gate", None}
        assert row["ended_by"] in _REASONS, row["ended_by"]
        assert row["cost_micros"] == 0
        words = " ".join(f"{step['rule']} {step['why']}" for step in row["trace"])
        assert _SPOKEN.fullmatch(f"{words} {row['area']} {row['disposition']}"), words
    numbers = {row["number"] for row in await database.fetch("SELECT number FROM cdr_legs")}
    assert all(re.fullmatch(r"\+?[0-9]*", number) for number in numbers)


def _check_sent(world: World) -> None:
    """Only the line was rung, by its own number, with no header and no character too many."""
    assert {call.number for call in world.carrier.calls} == {_LINE}
    assert len(world.carrier.calls) > 50
    for call in world.carrier.calls:
        head = bytes(call.invite).decode().partition("\r\n\r\n")[0]
        for line in head.split("\r\n")[1:]:
            assert line.partition(":")[0].lower() in _SENT_HEADERS, line
            assert _is_printable(line), line
        assert re.fullmatch(r"\+?[0-9]*|anonymous|callctl|asterisk", call.from_number)


def _is_printable(text: str) -> bool:
    """Whether no character of it moves a cursor, turns the direction, or is no character."""
    return not any(unicodedata.category(char) in {"Cc", "Cf", "Cs"} for char in text)


async def test_hostile_file_names_stay_words(database: Database) -> None:
    """A file's name is shown clean and is no path; what names audio is a plain word."""
    strings = corpus()
    for text in strings:
        shown = clean_name(text)
        assert shown.isprintable()
        assert "/" not in shown
        assert len(shown) <= 255
        with suppress(InvalidInput):
            assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*", check_name("name", text))
    wav = tone_wav(1000)
    for text in strings[::500]:
        stored = await add_audio(database, "acme", "welcome", wav, text)
        assert stored.file.path == "tenants/acme/welcome"
        assert stored.file.original_name == clean_name(text)
    assert await database.fetchval("SELECT count(*) FROM audio_files") == 1
