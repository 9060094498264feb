"""A hang-up in create, before dial, in bridge: at every command that a call sends to Asterisk."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from callctl import crash
from callctl.ari.client import AriSettings
from callctl.ari.keep_alive import KeepAliveTransport
from callctl.ari.transport import Answer
from tests.agents import Answers, PlacedCall, ReceivedCall
from tests.faults.forms import SECONDS_MAX, chance, is_wanted, pick
from tests.faults.inside import inside
from tests.faults.site import Site
from tests.faults.stages import SECOND_MICROS, TALK

HANG_UPS = pick(short=8, long=1000)
DID = "4005550001"
_LEFT_SECONDS_MAX = 2.0
_WHEN = ("before it", "with it", "after it")


@dataclass(frozen=True, slots=True)
class HangUp:
    """Who hangs up when: at the nth sending of a command in one call."""

    who: str
    when: str
    command: str
    nth: int

    def __str__(self) -> str:
        """For people."""
        return f"{self.who} {self.when}: {self.command} {self.nth}"


@dataclass
class Spy(KeepAliveTransport):
    """Passes commands on, counts them, and lets somebody hang up at one of them."""

    settings: AriSettings
    sent: Counter[str] = field(default_factory=Counter)
    plan: HangUp | None = None
    party: Callable[[], PlacedCall | ReceivedCall | None] = lambda: None
    is_done: bool = False

    def __post_init__(self) -> None:
        """The transport begins as usual."""
        KeepAliveTransport.__init__(self, self.settings)

    async def request(self, method: str, target: str, body: bytes | None = None) -> Answer:
        """See Transport."""
        name = crash.command_name(method, target)
        self.sent[name] += 1
        plan = self.plan
        is_now = plan is not None and (name, self.sent[name]) == (plan.command, plan.nth)
        if plan is None or not is_now:
            return await super().request(method, target, body)
        if plan.when == "after it":
            answer = await super().request(method, target, body)
            await self._hang_up(is_awaited=False)
            return answer
        await self._hang_up(is_awaited=plan.when == "before it")
        return await super().request(method, target, body)

    async def _hang_up(self, *, is_awaited: bool) -> None:
        party = self.party()
        if party is None:
            return
        self.is_done = True
        party.start_hanging_up()
        if is_awaited:
            await party.ended()


@pytest.mark.timeout(SECONDS_MAX)
async def test_somebody_hangs_up_at_any_command(site: Site, subtests: pytest.Subtests) -> None:
    """No leg is left after 2 s, and the call costs a second or nothing, as its CDR says."""
    asterisk = site.asterisk
    spy = Spy(AriSettings(asterisk.ari_url, asterisk.ari_user, asterisk.ari_password))
    site.carrier.line(TALK, Answers(after_seconds=0.1))
    async with inside(site, spy):
        call = await site.call(DID, "01062004000")
        await call.hears(440)
        sent = Counter(spy.sent)
        await call.hang_up()
        await site.nothing_left()
        plans = [
            plan
            for name, count in sorted(sent.items())
            for nth in range(1, count + 1)
            for when in _WHEN
            for who in ("caller", "line")
            if is_wanted(str(plan := HangUp(who, when, name, nth)))
        ]
        chosen = chance("hang-ups").sample(plans, min(HANG_UPS, len(plans)))
        done = 0
        for number, plan in enumerate(chosen, 1):
            with subtests.test(msg=str(plan)):
                done += await _hang_up(site, spy, plan, f"0106310{number:04}")
    site.tell(hang_ups=done, commands=len(sent), plans=f"{len(chosen)} of {len(plans)}")
    await site.invariants()


async def _hang_up(site: Site, spy: Spy, plan: HangUp, caller: str) -> bool:
    """One call that is hung up as planned; whether the moment came."""
    spy.sent.clear()
    spy.is_done = False
    placed: asyncio.Future[PlacedCall] = asyncio.get_running_loop().create_future()

    def party() -> PlacedCall | ReceivedCall | None:
        if plan.who == "caller":
            return placed.result() if placed.done() else None
        lines = site.carrier.calls_to(TALK)
        return next((one for one in lines if one.from_number == caller), None)

    spy.plan, spy.party = plan, party
    call = await site.call(DID, caller)
    placed.set_result(call)
    try:
        await call.ended(1.0)
    except AssertionError:  # the moment did not come, or the line was to go on ringing
        call.start_hanging_up()
        await call.ended()
    await site.nothing_left(_LEFT_SECONDS_MAX)
    cdr = await site.cdr(call)
    assert cdr.cost_micros == SECOND_MICROS * sum(leg.billed_seconds for leg in cdr.legs), cdr
    assert (cdr.cost_micros > 0) == (cdr.disposition == "answered"), cdr
    assert not spy.is_done or cdr.cost_micros <= SECOND_MICROS, cdr
    spy.plan = None
    return spy.is_done
