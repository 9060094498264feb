"""Keeps the paid time of a call while it is charged; used by the scripts of this package.

Money first, time second: the ledger grants, then Asterisk's timers on every leg follow. The
tenant's side hears warnings, in its language; the caller hears none.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from callctl.calls import Call
from callctl.cdr import Record
from callctl.charging import Advance, Charge
from callctl.errors import DatabaseUnavailable
from callctl.flows.desk import Desk, live_call

WARNING_PROMPT = "callctl/warning"
FINAL_PROMPT = "callctl/final"
_OVERTIME_SECONDS = 0.5  # Asterisk's timer ends the paid time; this long after it, we do
_SURE_SECONDS = 1.0  # after so long the timers are read back, or set again
_TIMER_LATE_SECONDS = 0.5  # it counts from when Asterisk was told, which may have stood still
_TIMER_SLACK_SECONDS = 0.1  # an end this near the paid time's is the timer's
Result = TypeVar("Result")
_log = structlog.get_logger()


@dataclass(slots=True)
class PaidTime:
    """The time that one call's money pays for, and the timers that enforce it."""

    call: Call
    desk: Desk
    record: Record
    charge: Charge
    language: str
    _is_timed: bool = False
    _is_sure: bool = False  # the timers were read back (R3)

    async def keep(self, is_over: Callable[[], bool]) -> None:
        """Extend the paid time until `is_over()` or until there is no more money for it."""
        call, charge = self.call, self.charge
        await self._let_go_on()
        catches_up = True  # the answer may have been found out late, the first slices being over
        while True:
            await call.until(lambda: is_over() or charge.has_news, self._nap_seconds())
            if is_over():
                break
            if charge.seconds_left() < -_OVERTIME_SECONDS and not catches_up:
                break
            if self._is_timed and not self._is_sure:
                at_most = charge.seconds_left() + _TIMER_LATE_SECONDS
                self._is_timed = self._is_sure = await call.is_timed(at_most)
            try:
                advance = await call.meanwhile(charge.advance(), is_over)
                if advance is not None and advance.shrink_to is not None:
                    await self._shrink(advance.shrink_to, is_over)
            except DatabaseUnavailable:
                _log.warning("renewal_unanswered")  # what is paid goes on; ask again in a moment
                catches_up = False
                continue
            if advance is None:
                break
            catches_up = catches_up and advance.is_extended
            if advance.is_extended or not self._is_timed:
                await self._let_go_on()
            self._say(advance)
        if charge.seconds_left() <= _TIMER_SLACK_SECONDS:
            self.record.paid_time_over = charge.exhaustion or "money"

    async def during(self, stage: Awaitable[Result]) -> Result:
        """Do a stage of the script in which the caller is charged already (ambiguity 22)."""
        is_done = False

        async def staged() -> Result:
            nonlocal is_done
            try:
                return await stage
            finally:
                is_done = True
                self.call.wake()

        async def kept() -> None:
            await self.keep(lambda: is_done or self.call.a_leg.is_gone)
            if not is_done:  # the money is gone: the caller goes, and the stage with him
                await self.call.hang_up(self.call.a_leg)

        result, keeping = await asyncio.gather(staged(), kept(), return_exceptions=True)
        for outcome in (result, keeping):
            if isinstance(outcome, BaseException):
                raise outcome
        return result  # type: ignore[return-value]  # the loop has raised what is no Result

    def _nap_seconds(self) -> float:
        """Until the charge wants something; not long while a timer is still to be seen running."""
        seconds = self.charge.seconds_to_act()
        return seconds if self._is_timed and self._is_sure else min(seconds, _SURE_SECONDS)

    async def _let_go_on(self) -> None:
        """Have Asterisk's timers follow what is paid, and note it; repeated until it worked."""
        self.desk.note(live_call(self.call, self.record, self.charge))
        self._is_timed = await self.call.allow(self.charge.seconds_left())
        self._is_sure = False

    async def _shrink(self, total_seconds: int, is_over: Callable[[], bool]) -> None:
        """Let the timers go down to a fair share first, then give back the money for the rest."""
        seconds = self.charge.seconds_left() - (self.charge.paid_seconds - total_seconds)
        self._is_timed = self._is_sure = False  # until it is known which timers stand
        if await self.call.allow(seconds) and await self.call.is_timed(at_most=seconds):
            await self.call.meanwhile(self.charge.shrink(total_seconds), is_over)
            self._is_timed = self._is_sure = True

    def _say(self, advance: Advance) -> None:
        """Whisper a warning to the tenant's side, if it is there."""
        leg = self.call.b_leg
        if leg is None:
            return
        if advance.is_final:
            self.record.note("final announcement", matched=True, why="the paid time ends")
            self.call.whisper(leg, FINAL_PROMPT, self.language)
        elif advance.warning_seconds is not None:
            why = f"{advance.warning_seconds} s of paid time left"
            self.record.note("warning", matched=True, why=why)
            self.call.whisper(leg, WARNING_PROMPT, self.language)
