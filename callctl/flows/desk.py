"""What a flow has on its desk: the directory, the areas, the ledger's teller, the journal.

Made once by app; each flow gets the same one. Also the glue between a call and its money, so
that the scripts stay readable.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from callctl import clock
from callctl.callbacks import Callbacks
from callctl.calls import Call
from callctl.cdr import Journal, LegPrice, LiveCall, Record, Stage
from callctl.charging import (
    ANSWER_SECONDS_MAX,
    DATABASE_AWAY,
    Bill,
    Charge,
    CountedCall,
    InDoubt,
    LegCost,
    LimitBook,
    Neighbours,
    Payer,
    Resumed,
    Role,
    SlicePolicy,
    Warnings,
    open_charge,
)
from callctl.directory.manual_switch import ManualSwitches
from callctl.directory.models import Did, Directory, Tenant
from callctl.directory.rates import calendar_json
from callctl.errors import DatabaseUnavailable
from callctl.flows import memory
from callctl.flows.caller_rate import CallerRates
from callctl.ledger import Teller
from callctl.queues import LineBook, Queues
from callctl.recording import Recordings
from callctl.routing import Facts
from callctl.values.area import Area
from callctl.values.phone_number import PhoneNumber
from callctl.voicemail import Voicemails

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Desk:
    """The services that flows use."""

    directory: Callable[[], Directory]
    area_of: Callable[[PhoneNumber], Area]
    teller: Teller
    limits: LimitBook
    neighbours: Neighbours
    in_doubt: InDoubt
    journal: Journal
    policy: SlicePolicy
    lines: LineBook
    queues: Queues
    caller_rates: CallerRates
    voicemails: Voicemails
    recordings: Recordings
    callbacks: Callbacks
    switches: ManualSwitches
    is_database_up: Callable[[], bool]

    def facts(self, call: Call, record: Record, did: Did, *, recent_calls: int = 1) -> Facts:
        """What routing may know of the call at this moment."""
        return Facts(
            did=did,
            caller=call.caller,
            area=record.area,
            at=clock.now(),
            seed=call.call_id.int,
            lines=self.lines.states(did),
            queues=self.queues.states(did),
            turns=self.lines.turns(did.number),
            recent_calls=recent_calls,
            diverted_from=record.diverted_from,
        )

    @asynccontextmanager
    async def charged(
        self,
        call: Call,
        record: Record,
        bill: Bill | None,
        *,
        beside: Awaitable[None] | None = None,
        resumed: Resumed | None = None,
    ) -> AsyncIterator[Charge]:
        """The money of `call`: reserved on entering, settled and noted in `record` on leaving.

        `beside` is done while the ledger answers. `resumed` instead of a bill: money that an
        earlier run of the switch holds.
        """
        tenant = _tenant(record)
        warnings = Warnings(tenant.warn_seconds)
        charge = Charge(
            *(self.teller, self.policy, warnings, self.neighbours),
            in_doubt=self.in_doubt,
            on_news=call.wake,
            heard_until=lambda: call.ari.heard_until,
        )
        if resumed is not None:
            began_at = resumed.began_at
            charge.resume(resumed, call.clock.monotonic_of(began_at) if began_at else None)
        row, beside_all = live_call(call, record, charge, bill), [beside] if beside else []
        if bill is None:
            self.note(row)
        else:
            beside_all.append(self._kept(row, charge))
        try:
            async with open_charge(charge, bill, beside=beside_all, talk_times=call.talk_times):
                yield charge
        finally:
            record.prices = [
                _price(cost, call) for cost in charge.costs if cost.payer.account.role != Role.LIMIT
            ]

    async def _kept(self, row: LiveCall, charge: Charge) -> None:
        """Have the new call's row durable: nobody is answered of whom a crash would leave nothing.

        While PostgreSQL is away the call gets no money, as if the ledger had not answered.
        """
        if not await self.keep(row):
            charge.denial = DATABASE_AWAY

    async def keep(self, row: LiveCall) -> bool:
        """Have a live call's row durable; False when PostgreSQL does not say so in time."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                await self.journal.keep(row)
        except (DatabaseUnavailable, TimeoutError) as error:
            _log.warning("live_call_not_kept", error=str(error))
            return False
        return True

    def note(self, row: LiveCall) -> None:
        """Keep a live call's row current; while PostgreSQL is away the earlier row stands."""
        try:
            self.journal.note(row)
        except DatabaseUnavailable as error:
            _log.warning("live_call_not_noted", error=str(error))


def live_call(call: Call, record: Record, charge: Charge, bill: Bill | None = None) -> LiveCall:
    """The call's row as of now: who talks, who pays, until when it is paid."""
    b_leg, started_at = call.b_leg, call.talk_started_at
    stage = record.stage if started_at is None else Stage.TALKING
    payers = charge.payers if bill is None else list(bill.payers)
    counts = charge.counts if bill is None else bill.counts
    tenant = _tenant(record)
    return LiveCall(
        call_id=call.call_id,
        did=call.dialled.national,
        tenant=tenant.name,
        account_id=tenant.account_id,
        caller=call.caller.text,
        area=str(record.area),
        stage=stage,
        setup_at=call.a_leg.setup_at,
        answered_at=started_at,
        line=b_leg.line if b_leg else record.ringing_line,
        a_channel_id=call.a_leg.channel_id,
        b_channel_id=b_leg.channel_id if b_leg else None,
        revision_id=record.revision_id,
        charges=[_charge_row(payer, call, charge) for payer in payers],
        counts=[_count_row(counted) for counted in counts],
        reservations=[
            *(payer.reservation_id for payer in payers if not payer.is_free),
            *(counted.reservation_id for counted in counts),
        ],
        direction=record.direction,
        group_name=record.group_name,
        begun_at=call.a_leg.answered_at,
        memory=memory.remember(call, record),
    )


def _tenant(record: Record) -> Tenant:
    if record.did is None:
        raise ValueError("a call without a number's configuration has no money")
    return record.did.tenant


def _charge_row(payer: Payer, call: Call, charge: Charge) -> dict[str, Any]:
    account = payer.account
    return {
        "leg_id": str(payer.leg_id),
        "role": account.role,
        "limit": account.limit,
        "account": account.name,
        "account_id": account.id,
        "payee_account_id": account.payee_id,
        "reservation_id": str(payer.reservation_id),
        "tariff": payer.tariff.name,
        "tariff_version": payer.tariff.version,
        "rate": payer.meter.rate,
        "calendar": calendar_json(payer.meter.calendar) if payer.meter.rate.bands else None,
        "timezone": payer.meter.timezone,
        "quoted_from": payer.meter.started_at,
        "charged_from": call.charged_from(payer.leg_id),
        "paid_seconds": charge.paid_seconds,
        "posted_micros": charge.posted_micros(payer.reservation_id),
    }


def _count_row(counted: CountedCall) -> dict[str, Any]:
    return {
        "call_id": str(counted.call_id),
        "account": counted.account.name,
        "account_id": counted.account.id,
        "payee_account_id": counted.account.payee_id,
        "is_used_up": counted.is_used_up,
    }


def _price(cost: LegCost, call: Call) -> LegPrice:
    payer = cost.payer
    return LegPrice(
        leg_id=payer.leg_id,
        account=payer.account.name,
        tariff=payer.tariff.name,
        tariff_version=payer.tariff.version,
        rate_id=payer.meter.rate.id,
        rate_prefix=payer.meter.rate.prefix,
        timezone=payer.meter.timezone,
        charged_from=payer.meter.started_at if cost.talk_ms else None,
        charged_ms=cost.talk_ms,
        billed_seconds=cost.billed_seconds,
        cost_micros=cost.cost_micros,
        reservation_id=payer.reservation_id,
        is_wholesale=payer.account.role is not Role.TENANT,
    )
