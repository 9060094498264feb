"""CDRs as they are written at a call's end, for tests of where they go."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from callctl.cdr import Cdr, CdrLeg

AT = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)


def refused_cdr(number: int = 0) -> Cdr:
    """A call that was refused while PostgreSQL was away."""
    call_id, at = uuid.uuid4(), AT + timedelta(seconds=number)
    leg = CdrLeg(
        leg_id=uuid.uuid5(call_id, "a"),
        call_id=call_id,
        side="a",
        line=None,
        number="+861062001234",
        channel_id=f"1795613991.{number}",
        sip_call_id=f"{number}@carrier",
        disposition="rejected",
        hangup_cause=42,
        setup_at=at,
        answered_at=None,
        ended_at=at + timedelta(seconds=0.5),
        ring_seconds=0.5,
        talk_seconds=0.0,
    )
    return Cdr(
        call_id=call_id,
        did="4005550001",
        tenant="acme",
        caller="+861062001234",
        area_code="110000",
        area="北京",
        line=None,
        disposition="failed",
        hangup_cause=42,
        ended_by="database-unavailable",
        setup_at=at,
        answered_at=None,
        ended_at=leg.ended_at,
        ring_seconds=0.5,
        talk_seconds=0.0,
        cost_micros=0,
        currency="CNY",
        sip_call_id=leg.sip_call_id,
        revision_id=1,
        trace=[{"rule": "open", "matched": True, "why": "no schedule"}],
        legs=[leg],
    )


def another_of(cdr: Cdr) -> Cdr:
    """What another run of the switch would write of the same call, as a leg of its own too."""
    [leg] = cdr.legs
    other = replace(leg, leg_id=uuid.uuid4(), channel_id="another")
    return replace(cdr, ended_by="recovery", legs=[leg, other])
