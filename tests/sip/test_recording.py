"""Recorded talks on real calls: both voices in a file of the call's name, whatever goes wrong."""

import asyncio
from pathlib import Path

import pytest

from callctl.stack.asterisk import Asterisk
from callctl.views import CdrFilter
from tests.agents import Answers
from tests.demo.world import World

from .answered import CALLER, CALLER_HZ, DESK, KEPT, LINE_HZ, provide, seconds_of, tones_of, written

_TALK_SECONDS = 1.5


@pytest.fixture
async def answered(world: World) -> World:
    """The world with the tenant of voicemail.yaml."""
    await provide(world)
    return world


@pytest.mark.parametrize(
    ("did", "number", "why"),
    [
        ("4003330009", DESK, "4003330009 is recorded"),
        ("4003330010", KEPT, "line kept is recorded"),
    ],
)
async def test_talk_is_recorded(
    answered: World, asterisk: Asterisk, did: str, number: str, why: str
) -> None:
    """A number, or a line, that is recorded leaves both voices in a file named by the call."""
    answered.carrier.line(number, Answers(voice_hz=LINE_HZ))
    call = await answered.call(did, CALLER)
    await call.hears(LINE_HZ, seconds=5)
    path = await written(answered, asterisk, ".wav", _TALK_SECONDS)
    await call.hang_up()

    cdr = await answered.cdr(call)
    assert path.name == f"{cdr.call_id}.wav"
    heard = tones_of(path.read_bytes())
    assert heard[CALLER_HZ] > 1.0
    assert heard[LINE_HZ] > 1.0
    assert seconds_of(path) == pytest.approx(float(cdr.talk_seconds), abs=0.5)
    assert {"rule": "recording", "matched": True, "why": why} in cdr.trace
    [row] = await answered.views.recordings(CdrFilter())
    assert (row.call_id, row.file_name, row.caller) == (cdr.call_id, path.name, "+8613901710001")
    assert (row.delete_after - row.started_at).days == 7
    await answered.nothing_left()


async def test_only_what_is_to_be_recorded_is(answered: World, asterisk: Asterisk) -> None:
    """A talk of a number and a line that are not recorded leaves no file and no row."""
    answered.carrier.line(DESK, Answers(voice_hz=LINE_HZ))
    call = await answered.call("4003330004", CALLER)
    await call.hears(LINE_HZ, seconds=5, lasting=0.5)
    await call.hang_up()

    cdr = await answered.cdr(call)
    assert not (asterisk.recordings_path / f"{cdr.call_id}.wav").exists()
    assert await answered.views.recordings(CdrFilter()) == []
    assert [step for step in cdr.trace if step["rule"] == "recording"] == []


class TestWithoutFolder:
    """The folder of recordings can't be used."""

    @pytest.fixture
    def switch_settings(self, switch_settings: dict[str, str], tmp_path: Path) -> dict[str, str]:
        """The switch's, with a folder that is not there."""
        return switch_settings | {"CALLCTL_RECORDINGS_DIR": str(tmp_path / "missing")}

    async def test_talk_goes_on_unrecorded(self, answered: World) -> None:
        """Who can't be recorded talks all the same; trace and CDR are whole, and tell why not."""
        answered.carrier.line(DESK, Answers(voice_hz=LINE_HZ))
        call = await answered.call("4003330009", CALLER)
        line_call = await answered.carrier.called(DESK)
        await asyncio.gather(call.hears(LINE_HZ, lasting=0.5), line_call.hears(CALLER_HZ))
        await call.hang_up()

        cdr = await answered.cdr(call)
        assert (cdr.disposition, cdr.ended_by) == ("answered", "caller")
        [step] = [step for step in cdr.trace if step["rule"] == "recording"]
        assert not step["matched"]
        assert "CALLCTL_RECORDINGS_DIR" in step["why"]
        assert await answered.views.recordings(CdrFilter()) == []
        await answered.nothing_left()
