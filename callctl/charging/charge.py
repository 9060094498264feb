"""The charge of one call: reserve -> renew -> settle, for all its paying legs in one step.

Money first, time second: `paid_seconds` only ever grows after the ledger has granted it. The sum
of all that is posted equals the price of the whole talk, because each post is the difference of
two costs of the same rate. When an answer is lost the same request is sent again before any other.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from callctl import clock, rating
from callctl.charging.leg_money import LegCost, LegMoney
from callctl.charging.payer import Payer
from callctl.charging.quota import (
    SlicePolicy,
    first_share_seconds,
    further_share_seconds,
    is_scarce,
)
from callctl.errors import DatabaseUnavailable, ReservationUnknown
from callctl.ledger import Answer, Outcome, Teller, TransferRequest
from callctl.ledger.requests import Urgency

_TRIES = 4  # shares may shrink between two answers when several calls ask at once
_RETRY_SECONDS = 1.0  # how often a dry account, or an absent ledger, is asked again
_LOOK_SECONDS = 0.25  # at most so often is the account looked at before a warning
_PROVEN_MS = 1000  # a talk that may have ended this long ago is not posted for yet
_SETTLE_SECONDS_MAX = 120.0  # a settlement waits so long for PostgreSQL; then recovery has it

TalkTimes = Mapping[uuid.UUID, int]  # milliseconds by leg id


@dataclass(frozen=True, slots=True)
class Advance:
    """What `advance` brought: more paid time, and/or a warning due some seconds before the end."""

    is_extended: bool = False
    warning_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class _Renewal:
    """A renewal that was, or may have been, sent: one request for each of `legs`."""

    legs: tuple[LegMoney, ...]
    step: tuple[TransferRequest, ...]
    total_seconds: int


@dataclass(slots=True)
class Charge:
    """The money of one call; opened by `open_charge`. All times are seconds of talk."""

    teller: Teller
    policy: SlicePolicy
    warn_seconds: tuple[int, ...]
    paid_seconds: int = 0
    is_denied: bool = False
    is_exhausted: bool = False
    costs: list[LegCost] = field(default_factory=list)
    _legs: dict[uuid.UUID, LegMoney] = field(default_factory=dict)
    _unsure: list[LegMoney] = field(default_factory=list)  # reserved or not: the answer was lost
    _pending: _Renewal | None = None  # likewise renewed or not
    _started: float | None = None  # clock.monotonic() at the talk's start
    _warned: set[int] = field(default_factory=set)
    _busy: asyncio.Lock = field(default_factory=asyncio.Lock)  # one act on the money at a time
    _next_try: float = 0.0  # clock.monotonic() before which the ledger is not asked again
    _next_look: float = 0.0  # likewise, for the account's standing before a warning

    @property
    def payers(self) -> list[Payer]:
        """Everybody who pays for a leg of this call now."""
        return [leg.payer for leg in self._legs.values()]

    def posted_micros(self, leg_id: uuid.UUID) -> int:
        """What has been debited for a leg so far."""
        leg = self._legs.get(leg_id)
        return leg.posted_micros if leg else 0

    async def reserve_first(self, payers: list[Payer]) -> None:
        """Hold the first slice for all payers or none; sets `paid_seconds` or `is_denied`."""
        async with self._busy:
            legs = [LegMoney(payer) for payer in payers]
            paying = [leg for leg in legs if not leg.payer.is_free]
            seconds = self.policy.slice_seconds if paying else rating.SECONDS_MAX
            for _ in range(_TRIES):
                answers = await self._reserve(paying, seconds)
                if all(answer.outcome is Outcome.GRANTED for answer in answers):
                    self._legs = {leg.payer.leg_id: leg for leg in legs}
                    self.paid_seconds = seconds
                    return
                seconds = min(
                    first_share_seconds(
                        leg.payer.rate,
                        answer.available_micros,
                        answer.open_reservations,
                        self.policy,
                    )
                    for leg, answer in zip(paying, answers, strict=True)
                )
                if seconds == 0:
                    break
            self.is_denied = True

    async def add(self, payer: Payer) -> bool:
        """Hold the money for one more leg, for the time paid so far; False when it is denied."""
        async with self._busy:
            leg = LegMoney(payer)
            answers = await self._reserve([] if payer.is_free else [leg], self.paid_seconds)
            if any(answer.outcome is not Outcome.GRANTED for answer in answers):
                return False
            self._legs[payer.leg_id] = leg
            return True

    async def drop(self, leg_id: uuid.UUID) -> None:
        """Give back what is held for a leg that was not answered; it costs nothing."""
        async with self._busy:
            await self._settle([leg_id], {})

    def start(self, answered_monotonic: float) -> None:
        """Both parties talk since `answered_monotonic`: the paid time runs (ambiguity 22)."""
        self._started = answered_monotonic

    def seconds_left(self) -> float:
        """Paid talk time that is left; the timers in Asterisk are set to this."""
        return self.paid_seconds - self._elapsed_ms() / 1000

    def seconds_to_act(self) -> float:
        """How long until `advance` has something to do; never negative."""
        now, left = clock.monotonic(), self.seconds_left()
        dues = [max(left - self._renewal_lead(), self._next_try - now)]
        if self._scarce_leg() is not None:
            dues += [max(left - w, self._next_look - now) for w in self._unwarned()]
        return max(0.0, min(dues))

    async def advance(self) -> Advance:
        """Renew if it is time to, and say whether a warning is due; call at `seconds_to_act`.

        Raises DatabaseUnavailable when the ledger stayed silent: what is paid is paid, and the
        next call of this asks again.
        """
        async with self._busy:
            before, now = self.paid_seconds, clock.monotonic()
            try:
                if self.seconds_left() <= self._renewal_lead() and now >= self._next_try:
                    await self._renew()
                warning = await self._warning()
            except DatabaseUnavailable:
                self._next_try = self._next_look = clock.monotonic() + _RETRY_SECONDS
                raise
        return Advance(is_extended=self.paid_seconds > before, warning_seconds=warning)

    async def close(self, talk_ms: TalkTimes) -> None:
        """Post the rest of every leg's price, void what is still held, fill `costs`."""
        deadline = clock.monotonic() + _SETTLE_SECONDS_MAX
        async with self._busy:
            while True:
                try:
                    await self._clear_up()
                    await self._settle(list(self._legs), talk_ms)
                except DatabaseUnavailable:
                    if clock.monotonic() >= deadline:
                        raise
                    await clock.sleep(_RETRY_SECONDS)
                else:
                    return

    # -- how it is done

    async def _reserve(self, legs: list[LegMoney], seconds: int) -> tuple[Answer, ...]:
        if not legs:
            return ()
        step = [leg.reserve(seconds) for leg in legs]
        try:
            answers = await self.teller.submit(step, Urgency.RESERVE)
        except DatabaseUnavailable:
            self._unsure += legs
            raise
        for leg, request, answer in zip(legs, step, answers, strict=True):
            leg.reserved(request, answer)
        return answers

    async def _renew(self) -> None:
        """Post what was used; hold more: a whole slice, or else the fair share of what is there."""
        await self._clear_up()
        paying = [leg for leg in self._legs.values() if not leg.payer.is_free]
        total = self.paid_seconds + (self.policy.slice_seconds if paying else rating.SECONDS_MAX)
        if self._scarce_leg() is not None:  # at least one step: there may have been a top-up
            step = max(leg.payer.rate.next_increment_seconds for leg in paying)
            total = max(self._shared_total(), self.paid_seconds + step)
        elapsed_ms = min(self._elapsed_ms() - _PROVEN_MS, self.paid_seconds * 1000)
        for _ in range(_TRIES):
            step_of_requests = tuple(leg.renew(elapsed_ms, total) for leg in paying)
            if await self._send(_Renewal(tuple(paying), step_of_requests, total)):
                self.is_exhausted, self._next_try = False, 0.0
                return
            total = self._shared_total()
            if total <= self.paid_seconds:
                break
        self.is_exhausted = True
        self._next_try = clock.monotonic() + _RETRY_SECONDS

    async def _send(self, renewal: _Renewal) -> bool:
        """Have a renewal done, and take in what came of it; True when all of it was granted."""
        self._pending = renewal
        answers = await self.teller.submit(renewal.step, Urgency.RENEW) if renewal.step else ()
        self._pending = None
        for leg, request, answer in zip(renewal.legs, renewal.step, answers, strict=True):
            leg.renewed(request, answer)
        is_granted = all(answer.outcome is Outcome.GRANTED for answer in answers)
        if is_granted:
            self.paid_seconds = max(self.paid_seconds, renewal.total_seconds)
        return is_granted

    async def _clear_up(self) -> None:
        """Find out what became of requests whose answers were lost, before any other is made."""
        if self._pending is not None:
            await self._send(self._pending)
        for leg in list(self._unsure):
            _, void = leg.settle(0)
            with suppress(ReservationUnknown):  # it never was reserved
                await self.teller.submit(void, Urgency.SETTLE)
            self._unsure.remove(leg)

    async def _settle(self, leg_ids: list[uuid.UUID], talk_ms: TalkTimes) -> None:
        step: list[TransferRequest] = []
        costs: list[LegCost] = []
        for leg in [self._legs[leg_id] for leg_id in leg_ids]:
            # A few milliseconds pass between the timer and the hang-up: they are ours.
            talked = min(talk_ms.get(leg.payer.leg_id, 0), self.paid_seconds * 1000)
            cost, requests = leg.settle(talked)
            costs.append(cost)
            step += requests
        if step:
            await self.teller.submit(step, Urgency.SETTLE)
        self.costs += costs
        for leg_id in leg_ids:
            del self._legs[leg_id]

    def _shared_total(self) -> int:
        """Paid seconds that every leg's fair share of what is available can reach."""
        return min(
            (
                further_share_seconds(
                    leg.payer.rate,
                    self.paid_seconds,
                    leg.standing.available_micros,
                    leg.standing.open_reservations,
                    self.policy,
                )
                for leg in self._legs.values()
                if leg.standing is not None
            ),
            default=self.paid_seconds,
        )

    def _scarce_leg(self) -> LegMoney | None:
        for leg in self._legs.values():
            seen = leg.standing
            if seen is not None and is_scarce(
                leg.payer.rate, seen.available_micros, seen.open_reservations, self.policy
            ):
                return leg
        return None

    def _renewal_lead(self) -> float:
        if self._scarce_leg() is not None:
            return self.policy.lead_seconds
        return max(self.policy.slice_seconds / 2, self.policy.lead_seconds)

    async def _warning(self) -> int | None:
        """The warning that is due, if any; looks the account up again before it says so."""
        leg, left = self._scarce_leg(), self.seconds_left()
        waiting = [w for w in self._unwarned() if left <= w]
        if leg is None or not waiting or clock.monotonic() < self._next_look:
            return None
        leg.standing = await self.teller.standing(leg.payer.tenant.account_id)
        end = self.seconds_left() + self._shared_total() - self.paid_seconds
        due = [w for w in waiting if end <= w]
        self._warned.update(due)
        gaps = [end - w for w in waiting if w not in due]
        self._next_look = clock.monotonic() + max(_LOOK_SECONDS, min(gaps, default=0.0) / 2)
        return min(due, default=None)

    def _unwarned(self) -> list[int]:
        return [w for w in self.warn_seconds if w not in self._warned]

    def _elapsed_ms(self) -> int:
        if self._started is None:
            return 0
        return max(1, round((clock.monotonic() - self._started) * 1000))


@asynccontextmanager
async def open_charge(
    charge: Charge,
    payers: list[Payer],
    *,
    beside: Sequence[Awaitable[object]],
    talk_times: Callable[[], Awaitable[TalkTimes]],
) -> AsyncIterator[Charge]:
    """The money of a call for the length of the block.

    Reserves the first slice for every payer, or none (`is_denied`); `beside` is what is
    done at the same time (the live call's row, the first line's leg). On leaving, however the call
    ended, `talk_times` ends the talk and tells each leg's milliseconds; these are rated, the rest
    is posted, what remains held is voided.
    """
    try:
        reserving = charge.reserve_first(payers)
        for result in await asyncio.gather(reserving, *beside, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        yield charge
    finally:
        await asyncio.shield(_finish(charge, talk_times))


async def _finish(charge: Charge, talk_times: Callable[[], Awaitable[TalkTimes]]) -> None:
    await charge.close(await talk_times())
