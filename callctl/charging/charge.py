"""The charge of one call: reserve -> renew -> settle, for all payers of its legs in one step.

Money first, time second: `paid_seconds` only ever grows after the ledger has granted it. The sum
of all that is posted equals the price of the whole talk, because each post is the difference of
two costs of the same rate. When an answer is lost the same request is sent again before any other.
"""

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from callctl import clock, rating
from callctl.charging.bill import Bill
from callctl.charging.in_doubt import InDoubt
from callctl.charging.leg_money import (
    LegCost,
    LegMoney,
    Renewal,
    count_request,
    first_denied,
    note_reserved,
)
from callctl.charging.neighbours import Neighbours
from callctl.charging.patience import given_back, reserved, void
from callctl.charging.payer import CountedCall, Payer, PayingAccount
from callctl.charging.quota import SlicePolicy
from callctl.charging.resumed import Resumed
from callctl.charging.standing import Standings, smaller_seconds
from callctl.charging.warnings import Advance, Warnings
from callctl.errors import DatabaseUnavailable
from callctl.ledger import Answer, Outcome, Teller, TransferKind, TransferRequest
from callctl.ledger.requests import Urgency

LONGEST_CALL = "limit_longest_call"
DATABASE_AWAY = "database-unavailable"
_TRIES = 4  # shares may shrink between two answers when several calls ask at once
_RETRY_SECONDS = 1.0  # how often a dry account, or an absent ledger, is asked again
_PROVEN_MS = 1000  # a talk that may have ended this long ago is not posted for yet
_SETTLE_SECONDS_MAX = 86_400.0  # a settlement waits so long for it; then recovery has it
_log = structlog.get_logger()

TalkTimes = Mapping[uuid.UUID, int]  # milliseconds by leg id


@dataclass(slots=True)
class Charge:
    """The money of one call; opened by `open_charge`. All times are seconds of charged talk.

    `denial` is why it got no money, `exhaustion` why it gets no more: the words of the CDR's
    ended_by, "" while there is money.
    """

    teller: Teller
    policy: SlicePolicy
    warnings: Warnings
    neighbours: Neighbours
    paid_seconds: int = 0
    denial: str = ""
    denied_by: PayingAccount | None = None
    exhaustion: str = ""
    in_doubt: InDoubt = field(default_factory=InDoubt)
    on_news: Callable[[], None] | None = None  # a neighbour has told something: act soon
    heard_until: Callable[[], float] = clock.monotonic  # Asterisk, by whom it is known to go on
    costs: list[LegCost] = field(default_factory=list)
    _legs: dict[uuid.UUID, LegMoney] = field(default_factory=dict)  # by reservation id
    _counts: tuple[CountedCall, ...] = ()
    _seconds_max: int | None = None
    _asked: Sequence[Payer] = ()  # by `add`
    _unsure: list[TransferRequest] = field(default_factory=list)  # give back what may be held
    _pending: Renewal | None = None  # likewise renewed or not
    _started: float | None = None  # clock.monotonic() at the start of what is charged
    _busy: asyncio.Lock = field(default_factory=asyncio.Lock)  # one act on the money at a time
    has_news: bool = False  # told by a neighbour; `advance` takes it in
    _next_try: float = 0.0  # clock.monotonic() before which the ledger is not asked again

    @property
    def payers(self) -> list[Payer]:
        """Everybody who pays for a leg of this call now, or is asked for its money."""
        return [*(leg.payer for leg in self._legs.values()), *self._asked]

    @property
    def counts(self) -> tuple[CountedCall, ...]:
        """The limits on how many that this call is held on."""
        return self._counts

    def posted_micros(self, reservation_id: uuid.UUID) -> int:
        """What has been debited on a reservation so far."""
        leg = self._legs.get(reservation_id)
        return leg.posted_micros if leg else 0

    async def reserve_first(self, bill: Bill) -> None:
        """Hold the first slice for all payers or none; sets `paid_seconds` or `denial`.

        PostgreSQL that does not answer is a denial, too: nobody waits for it on the telephone.
        """
        try:
            await self._reserve_first(bill)
        except DatabaseUnavailable as error:
            _log.warning("reservation_unanswered", error=str(error))
            self.denial = DATABASE_AWAY

    async def _reserve_first(self, bill: Bill) -> None:
        async with self._busy:
            legs = [LegMoney(payer) for payer in bill.payers]
            paying = [leg for leg in legs if not leg.payer.is_free]
            self._seconds_max = bill.seconds_max
            seconds = self._bounded(self._slice(bool(paying)))
            for _ in range(_TRIES):
                step = [leg.reserve(seconds) for leg in paying]
                step += [count_request(one, TransferKind.RESERVE) for one in bill.counts]
                answers = await self._reserve(step)
                if all(answer.outcome is Outcome.GRANTED for answer in answers):
                    note_reserved(paying, step, answers)
                    self._legs = {leg.payer.reservation_id: leg for leg in legs}
                    self._counts, self.paid_seconds = bill.counts, seconds
                    self.neighbours.join(self, {leg.payer.account.id for leg in paying})
                    self._tell()
                    return
                accounts = [leg.payer.account for leg in paying]
                accounts += [one.account for one in bill.counts]
                self.denied_by = first_denied(accounts, answers)
                if any(a.outcome is Outcome.DENIED for a in answers[len(paying) :]):
                    break
                seconds = self._bounded(smaller_seconds(paying, answers, self.policy))
                if seconds == 0:
                    break
            self.denial = self.denied_by.denial if self.denied_by else "no_credit"

    def resume(self, resumed: Resumed, began_monotonic: float | None) -> None:
        """Go on with money that an earlier run of the switch holds, instead of `reserve_first`."""
        self._legs = {leg.payer.reservation_id: leg for leg in resumed.legs}
        self._counts, self._seconds_max = resumed.counts, resumed.seconds_max
        self._started = began_monotonic
        paid = [leg.paid_seconds(rating.SECONDS_MAX) for leg in self._paying()]
        self.paid_seconds = self._bounded(min(paid, default=rating.SECONDS_MAX))
        self.neighbours.join(self, {leg.payer.account.id for leg in self._paying()})
        self._tell()

    async def add(self, payers: Sequence[Payer]) -> bool:
        """Hold the money for one more leg, for the time paid so far; False when it is denied.

        The first leg that is not free is paid as by `reserve_first`.
        """
        self._asked = payers  # until it is known what came of it
        async with self._busy:
            legs = [LegMoney(payer) for payer in payers]
            paying = [leg for leg in legs if not leg.payer.is_free]
            is_first, elapsed = bool(paying) and not self._paying(), self._elapsed_ms() // 1000
            seconds = min(self.paid_seconds - elapsed, self._slice(is_first))
            for _ in range(_TRIES):
                step = [leg.reserve(seconds) for leg in paying]
                answers = await self._reserve(step)
                if all(answer.outcome is Outcome.GRANTED for answer in answers):
                    self._asked = ()
                    note_reserved(paying, step, answers)
                    self._legs |= {leg.payer.reservation_id: leg for leg in legs}
                    self.paid_seconds = elapsed + seconds if is_first else self.paid_seconds
                    return True
                seconds = smaller_seconds(paying, answers, self.policy) if is_first else 0
                if seconds == 0:
                    break
            self._asked = ()
            return False

    async def drop(self, leg_id: uuid.UUID) -> None:
        """Give back what is held for a leg that was not answered; it costs nothing."""
        async with self._busy:
            ids = [one for one, leg in self._legs.items() if leg.payer.leg_id == leg_id]
            mine = [self._legs.pop(one) for one in ids]
            self._unsure += await given_back(self._settle(mine, {}), mine)

    def begin(self, leg_ids: Sequence[uuid.UUID], monotonic: float, at: datetime) -> None:
        """These legs are charged from this moment on (ambiguity 22); the first starts the time.

        A price that is higher now than when the money was held makes the paid time shorter.
        """
        self._started = monotonic if self._started is None else self._started
        offset_ms = max(0, round((monotonic - self._started) * 1000))
        for leg in self._legs.values():
            if leg.payer.leg_id in leg_ids:
                leg.begin(leg.payer.starting_at(at), offset_ms)
                if not leg.payer.is_free:
                    self.paid_seconds = leg.paid_seconds(self.paid_seconds)

    def seconds_left(self) -> float:
        """Paid talk time that is left; the timers in Asterisk are set to this."""
        return self.paid_seconds - self._elapsed_ms() / 1000

    def seconds_to_act(self) -> float:
        """How long until `advance` has something to do; never negative."""
        if self.has_news:
            return 0.0
        now, left = clock.monotonic(), self.seconds_left()
        dues = [max(left - self._renewal_lead(), self._next_try - now)]
        if self._is_ending():
            dues += self.warnings.dues(left, now)
        return max(0.0, min(dues))

    async def advance(self) -> Advance:
        """Renew if it is time to, and say whether a warning is due; call at `seconds_to_act`.

        Raises DatabaseUnavailable when the ledger stayed silent: the next call of this asks again.
        """
        async with self._busy:
            before, now = self.paid_seconds, clock.monotonic()
            surplus = self._surplus()
            if surplus is not None:
                return Advance(shrink_to=surplus)
            try:
                if self.seconds_left() <= self._renewal_lead() and now >= self._next_try:
                    await self._renew()
                warning = await self._warn()
            except DatabaseUnavailable:
                self._next_try = self.warnings.next_look = clock.monotonic() + _RETRY_SECONDS
                raise
        if self.paid_seconds > before:
            self.warnings.extended(self.seconds_left())
            return replace(warning, is_extended=True)
        return warning

    def hear(self, account_id: int, seen: Answer) -> None:
        """A neighbour has found an account that we share scarce: `advance` looks at it."""
        for leg in self._legs.values():
            if leg.payer.account.id == account_id and leg.standing is not None:
                leg.standing = seen
                self.has_news = True
        if self.has_news and self.on_news is not None:
            self.on_news()

    async def shrink(self, total_seconds: int) -> None:
        """Give back what pays for more than `total_seconds`, now that the timers have let it go.

        Time first, money second: the other way round than when it grows.
        """
        async with self._busy:
            paying = self._paying()
            if not paying or total_seconds >= self.paid_seconds:
                return
            self.paid_seconds = total_seconds
            await self._clear_up()
            elapsed_ms = min(self._proven_ms(), total_seconds * 1000)
            step = tuple(leg.renew(elapsed_ms, total_seconds) for leg in paying)
            await self._send(Renewal(tuple(paying), step, total_seconds))

    async def close(self, talk_ms: TalkTimes) -> None:
        """Post the rest of every leg's price, void what is still held, fill `costs`."""
        deadline = clock.monotonic() + _SETTLE_SECONDS_MAX
        async with self._busy:
            if not (self._legs or self._counts or self._pending):  # it costs nothing
                self.neighbours.leave(self)
                await self.in_doubt.give_back(self.teller, self._unsure)
                return
            while True:
                try:
                    await self._clear_up()
                    counts = [
                        count_request(one, TransferKind.SETTLE, is_answered=bool(talk_ms))
                        for one in self._counts
                    ]
                    await self._settle(list(self._legs.values()), talk_ms, counts)
                except DatabaseUnavailable:
                    if clock.monotonic() >= deadline:
                        raise
                    await clock.sleep(_RETRY_SECONDS)
                else:
                    self._counts = ()
                    self.neighbours.leave(self)
                    return

    # -- how it is done

    async def _reserve(self, step: list[TransferRequest]) -> tuple[Answer, ...]:
        return await reserved(self.teller, step, self._unsure) if step else ()

    async def _renew(self) -> None:
        """Post what was used; hold more: a whole slice, or else the fair share of what is there."""
        await self._clear_up()
        if self._seconds_max is not None and self.paid_seconds >= self._seconds_max:
            self.exhaustion, self._next_try = LONGEST_CALL, clock.monotonic() + _RETRY_SECONDS
            return
        standings, paying = self._standings(), self._paying()
        total = self.paid_seconds + self._slice(bool(paying))
        if standings.is_scarce():  # at least one step: there may have been a top-up
            step = max(leg.payer.meter.rate.next_increment_seconds for leg in paying)
            total = max(standings.shared_total(), self.paid_seconds + step)
        elapsed_ms = min(self._proven_ms(), self.paid_seconds * 1000)
        for _ in range(_TRIES):
            total = self._bounded(total)
            step_of_requests = tuple(leg.renew(elapsed_ms, total) for leg in paying)
            if await self._send(Renewal(tuple(paying), step_of_requests, total)):
                self.exhaustion, self._next_try = "", 0.0
                self._tell()
                return
            total = self._standings().shared_total()
            if total <= self.paid_seconds:
                break
        self.exhaustion = self._standings().exhausted().exhaustion
        self._tell()
        self._next_try = clock.monotonic() + _RETRY_SECONDS

    async def _send(self, renewal: Renewal) -> bool:
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
        for request in list(self._unsure):
            await void(self.teller, request)
            self._unsure.remove(request)

    async def _settle(
        self, legs: list[LegMoney], talk_ms: TalkTimes, also: Sequence[TransferRequest] = ()
    ) -> None:
        step, costs = list(also), list[LegCost]()
        for leg in legs:
            # A few milliseconds pass between the timer and the hang-up: they are ours.
            paid_ms = self.paid_seconds * 1000 - (leg.offset_ms or 0)
            cost, requests = leg.settle(min(talk_ms.get(leg.payer.leg_id, 0), paid_ms))
            costs.append(cost)
            step += requests
        answers = await self.teller.submit(step, Urgency.SETTLE) if step else ()
        for request, answer in zip(step, answers, strict=True):
            if answer.outcome is not Outcome.GRANTED:  # it expired, and the money is gone
                _log.error("not_settled", request=str(request.id), outcome=answer.outcome)
        self.costs += costs
        for leg in legs:
            self._legs.pop(leg.payer.reservation_id, None)

    async def _warn(self) -> Advance:
        """The warning that is due, if any; looks the accounts up again before it says so."""
        now = clock.monotonic()
        if not self._is_ending() or not self.warnings.is_look_due(self.seconds_left(), now):
            return Advance()
        standings = self._standings()
        for leg in standings.paying:
            if standings.is_leg_scarce(leg):
                leg.standing = await self.teller.standing(leg.payer.account.id)
        end = self._bounded(standings.shared_total()) - self._elapsed_ms() / 1000
        return self.warnings.advance(end, clock.monotonic())

    def _paying(self) -> list[LegMoney]:
        return [leg for leg in self._legs.values() if not leg.payer.is_free]

    def _standings(self) -> Standings:
        """Those that can run dry."""
        limited = [leg for leg in self._paying() if leg.payer.account.is_limited]
        return Standings(limited, self.paid_seconds, self.policy)

    def _tell(self) -> None:
        """Let the neighbours know which of the accounts are scarce."""
        scarce = self._standings().scarce()
        if scarce:
            self.neighbours.tell(self, scarce)

    def _surplus(self) -> int | None:
        """The total to shrink to, if neighbours' news show that more is held than is fair."""
        if not self.has_news:
            return None
        self.has_news = False
        return None if self._pending else self._standings().surplus_total(self._elapsed_ms())

    def _is_ending(self) -> bool:
        """Whether an end is in sight: an account that runs dry, or the longest call."""
        bound = self._seconds_max
        is_last = bound is not None and bound <= self.paid_seconds + self.policy.slice_seconds
        return is_last or self._standings().is_scarce()

    def _renewal_lead(self) -> float:
        lead = self.policy.lead_seconds
        return lead if self._standings().is_scarce() else max(self.policy.slice_seconds / 2, lead)

    def _slice(self, is_paying: bool) -> int:
        return self.policy.slice_seconds if is_paying else rating.SECONDS_MAX

    def _bounded(self, seconds: int) -> int:
        return seconds if self._seconds_max is None else min(seconds, self._seconds_max)

    def _proven_ms(self) -> int:
        """What is posted for: were both Asterisk and we gone then, nobody could give it back."""
        unheard_ms = round((clock.monotonic() - self.heard_until()) * 1000)
        return self._elapsed_ms() - _PROVEN_MS - unheard_ms

    def _elapsed_ms(self) -> int:
        if self._started is None:
            return 0
        return max(1, round((clock.monotonic() - self._started) * 1000))
