"""What a flow has on its desk: the directory, the areas, the ledger's teller, the journal.

Made once by app; each flow gets the same one. Also the glue between a call and its money, so
that the scripts stay readable.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from callctl.calls import Call
from callctl.cdr import Journal, LegPrice, LiveCall, Record
from callctl.charging import Charge, Payer, SlicePolicy, open_charge
from callctl.directory.areas import AreaTable
from callctl.directory.models import Directory
from callctl.errors import DatabaseUnavailable
from callctl.ledger import Teller

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Desk:
    """The services that flows use."""

    directory: Callable[[], Directory]
    areas: AreaTable
    teller: Teller
    journal: Journal
    policy: SlicePolicy

    @asynccontextmanager
    async def charged(
        self, call: Call, record: Record, payer: Payer, *, beside: Awaitable[None]
    ) -> AsyncIterator[Charge]:
        """The money of `call`: reserved on entering, settled and noted in `record` on leaving.

        `beside` is done while the ledger answers.
        """
        charge = Charge(self.teller, self.policy, payer.tenant.warn_seconds)
        live = live_call(call, record, charge, [payer])
        try:
            async with open_charge(
                charge,
                [payer],
                beside=[self.journal.write(live, may_linger=False), beside],
                talk_times=call.talk_times,
            ):
                yield charge
        finally:
            record.prices = [
                LegPrice(
                    leg_id=cost.payer.leg_id,
                    billed_seconds=cost.billed_seconds,
                    cost_micros=cost.cost_micros,
                    account=cost.payer.tenant.account_name,
                    tariff=cost.payer.tariff.name,
                    tariff_version=cost.payer.tariff.version,
                    rate_prefix=cost.payer.rate.prefix,
                    reservation_id=cost.payer.reservation_id,
                )
                for cost in charge.costs
            ]

    async def note(self, row: LiveCall) -> None:
        """Keep a live call's row current; while PostgreSQL is away the earlier row stands."""
        try:
            await self.journal.write(row)
        except DatabaseUnavailable as error:
            _log.warning("live_call_not_noted", error=str(error))


def live_call(
    call: Call, record: Record, charge: Charge, payers: list[Payer] | None = None
) -> LiveCall:
    """The call's row as of now: who talks, who pays, until when it is paid."""
    b_leg, started_at = call.b_leg, call.talk_started_at
    payers = payers or charge.payers
    tenant = payers[0].tenant
    return LiveCall(
        call_id=call.call_id,
        did=call.dialled.national,
        tenant=tenant.name,
        account_id=tenant.account_id,
        caller=call.caller.text,
        area=str(record.area),
        stage="ringing" if started_at is None else "talking",
        setup_at=call.a_leg.setup_at,
        answered_at=started_at,
        line=b_leg.line if b_leg else record.ringing_line,
        a_channel_id=call.a_leg.channel_id,
        b_channel_id=b_leg.channel_id if b_leg else None,
        revision_id=record.revision_id,
        charges=[_charge_row(payer, charge) for payer in payers],
    )


def _charge_row(payer: Payer, charge: Charge) -> dict[str, Any]:
    return {
        "leg_id": str(payer.leg_id),
        "account": payer.tenant.account_name,
        "account_id": payer.tenant.account_id,
        "revenue_account_id": payer.tenant.revenue_account_id,
        "reservation_id": str(payer.reservation_id),
        "tariff": payer.tariff.name,
        "tariff_version": payer.tariff.version,
        "rate": payer.rate,
        "paid_seconds": charge.paid_seconds,
        "posted_micros": charge.posted_micros(payer.leg_id),
    }
