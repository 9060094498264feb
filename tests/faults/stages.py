"""Calls in every stage at once, on the numbers of faults.yaml, and what must be true of them after.

Used by the tests that end the switch in the midst of them.
"""

import asyncio
from dataclasses import dataclass, field

from callctl import clock
from callctl.values.phone_number import PhoneNumber
from tests.agents import Answers, NoAnswer, PlacedCall
from tests.agents.prompts import PROMPT_HZ
from tests.faults.site import Site

SLICE_SECONDS = 14  # half of it is left whenever the switch dies: enough to be started again
SECOND_MICROS = 5_000
TALK, SILENT, ALONE, BUSY = (f"0106200040{n}" for n in (1, 2, 4, 5))
MOBILE = "13701000406"
VIP, FIRST, SECOND = "13900000001", "01062001001", "01062001002"
_DIDS = {
    "talk": "4005550001",
    "cut": "4005550001",
    "silent": "4005550002",
    "message": "4005550003",
    "greeting": "4005550004",
    "menu": "4005550005",
    "served": "4005550006",
    "crowded": "4005550007",
    "confirm": "4005550008",
    "voicemail": "4005550009",
}
_QUEUED = (("first", FIRST), ("second", SECOND), ("vip", VIP))
_LINE_HZ, _SHORT_HZ = 440, 480
_HOLD_HZ, _CLOSED_HZ = PROMPT_HZ["", "hold"], PROMPT_HZ["", "closed"]
_MENU_HZ, _BEEP_HZ = PROMPT_HZ["", "unavailable"], PROMPT_HZ["", "beep"]
_SURE_SECONDS = 1.0  # heard for so long, a call is what it seems
_SHORT = Answers(after_seconds=0.1, voice_hz=_SHORT_HZ, hang_up_after_seconds=0.3)


@dataclass
class Stages:
    """Calls by name; `ending` are those that somebody has begun to end or to let go on."""

    site: Site
    calls: dict[str, PlacedCall] = field(default_factory=dict)
    ending: set[str] = field(default_factory=set)

    async def fill(self) -> None:
        """Place calls until there is one in each stage."""
        carrier = self.site.carrier
        carrier.line(TALK, Answers(voice_hz=_LINE_HZ))
        carrier.line(SILENT, NoAnswer())
        carrier.line(ALONE, Answers(after_seconds=0, voice_hz=_LINE_HZ), _SHORT)
        carrier.line(BUSY, Answers(after_seconds=0, voice_hz=_LINE_HZ), NoAnswer())
        carrier.line(MOBILE, Answers(voice_hz=_LINE_HZ))
        await self._place("served", "crowded", "talk", "cut")
        await asyncio.gather(
            *(self.calls[name].hears(_LINE_HZ, 10) for name in ("served", "crowded", "talk"))
        )
        for name, caller in _QUEUED:
            await self._wait(name, _DIDS["served"], caller)
        await self._wait("next", _DIDS["crowded"], caller_of("next"))
        self._let_go("crowded")
        await self._place("silent", "message", "greeting", "menu", "confirm", "voicemail")
        await asyncio.gather(
            carrier.called(SILENT),
            carrier.called(MOBILE),
            carrier.called(BUSY, nth=1),
            self.calls["message"].hears(_CLOSED_HZ, 10),
            self.calls["greeting"].hears(_CLOSED_HZ, 10),
            self.calls["menu"].hears(_MENU_HZ, 10),
            self.calls["voicemail"].hears(_BEEP_HZ, 10),
        )

    async def move_on(self) -> None:
        """From each stage to the next or to the end; then renewals, then the end of all."""
        site, calls = self.site, self.calls
        self._let_go("silent", "voicemail", "next")
        await calls["menu"].send_dtmf("1")
        mobile = await site.carrier.called(MOBILE)
        await mobile.answered()
        await mobile.send_dtmf("1")
        moved = ("menu", "confirm", "message", "greeting")
        await asyncio.gather(*(calls[name].hears(_LINE_HZ, 10) for name in moved))
        self.ending.add("cut")
        cut = next(
            one
            for one in site.carrier.calls_to(TALK)
            if one.answered_at and one.from_number == caller_of("cut")
        )
        await cut.hang_up()
        self._let_go("greeting", "confirm")
        talk = calls["talk"]
        assert talk.answered_at is not None
        await talk.hears(_LINE_HZ, SLICE_SECONDS, since=talk.answered_at + SLICE_SECONDS - 5)
        await self.end()

    async def end(self) -> None:
        """End all that live; those who wait are served first."""
        self._let_go("served")
        self.ending |= {name for name, _ in _QUEUED}
        waiting = [self.calls[name] for name, _ in _QUEUED if name in self.calls]
        await asyncio.gather(*(call.ended(15) for call in waiting))
        self._let_go(*self.calls)
        await asyncio.gather(*(call.ended(10) for call in self.calls.values()))

    def talking(self) -> list[str]:
        """Those who talk for sure, and nobody has begun to end it."""
        now = clock.monotonic()
        return [name for name in self._live() if self._hears(name, _LINE_HZ, now)]

    def waiting(self) -> list[str]:
        """Those who wait in a queue for sure."""
        now = clock.monotonic()
        return [name for name in self._live() if self._hears(name, _HOLD_HZ, now)]

    def answered(self) -> list[str]:
        """Those whom callctl has answered for sure, and nobody has begun to end."""
        now = clock.monotonic()
        return [
            name
            for name in self._live()
            if (answered_at := self.calls[name].answered_at) and answered_at < now - _SURE_SECONDS
        ]

    def lost(self, names: list[str]) -> list[str]:
        """Those of them that the callers did not end themselves, and that have ended."""
        ended = [self.calls[name] for name in names if name not in self.ending]
        return [str(call.timeline) for call in ended if call.outcome is not None]

    async def places(self) -> list[str]:
        """The callers who have a place in a queue, in their order."""
        rows = await self.site.database.fetch(
            "SELECT caller FROM queue_places"
            " ORDER BY group_name DESC, is_vip DESC, entered_at, call_id"
        )
        return [PhoneNumber.parse(row["caller"]).dial_digits for row in rows]

    def served(self) -> list[str]:
        """The callers from the queue whom its line has had, in order."""
        rung = [one.from_number for one in self.site.carrier.calls_to(ALONE)]
        return [number for number in dict.fromkeys(rung) if number != caller_of("served")]

    async def all_hear(self, names: list[str]) -> None:
        """From now on each of these hears his line, and the line him."""
        since = clock.monotonic()
        lines = [one for one in self.site.carrier.calls if one.outcome is None and one.answered_at]
        callers = {caller_of(name) for name in names}
        theirs = [one for one in lines if one.from_number in callers]
        assert len(theirs) == len(names), [str(one.timeline) for one in theirs]
        await asyncio.gather(
            *(self.calls[name].hears(_LINE_HZ, since=since) for name in names),
            *(one.hears(self.site.caller.voice_hz, since=since) for one in theirs),
        )

    def _live(self) -> list[str]:
        return [
            name
            for name, call in self.calls.items()
            if call.outcome is None and name not in self.ending
        ]

    def _hears(self, name: str, hz: int, now: float) -> bool:
        tones = self.calls[name].tones[-2:]
        return any(
            tone.hz == hz and tone.seconds >= _SURE_SECONDS and tone.ended_at > now - 0.3
            for tone in tones
        )

    async def _place(self, *names: str) -> None:
        for name in names:
            self.calls[name] = await self.site.call(_DIDS[name], caller_of(name))

    async def _wait(self, name: str, did: str, caller: str) -> None:
        self.calls[name] = await self.site.call(did, caller)
        await self.calls[name].hears(_HOLD_HZ, 10)

    def _let_go(self, *names: str) -> None:
        for name in names:
            if name in self.calls:
                self.ending.add(name)
                self.calls[name].start_hanging_up()


def caller_of(name: str) -> str:
    """Each call's caller is another one."""
    queued = dict(_QUEUED).get(name)
    return queued or f"010620020{[*_DIDS, 'next'].index(name):02}"
