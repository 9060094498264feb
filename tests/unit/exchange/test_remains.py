"""The CDR of a call whose switch was gone when it ended: its row, and Asterisk's own record."""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from callctl.charging.abandoned import Settled
from callctl.exchange.remains import Remains
from callctl.exchange.witness import Witness
from callctl.values.ids import channel_id, derived_id

CALL_ID, B_LEG = uuid.uuid4(), uuid.uuid4()
CALLER, LINE = "1795.1", channel_id(B_LEG)
SETUP = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


def _at(seconds: float) -> datetime:
    return SETUP + timedelta(seconds=seconds)


def _witness(folder: Path, *events: tuple[str, float, str]) -> Witness:
    lines = [
        f"{event},{_at(seconds).timestamp():.6f},{channel},{CALLER},PJSIP/carrier,"
        '{"hangupcause":16}'
        for event, seconds, channel in events
    ]
    path = folder / "legs.csv"
    path.write_text("".join(f"{line}\n" for line in lines))
    return Witness.read(path, [(CALLER, CALL_ID)])


def _row(**more: Any) -> dict[str, Any]:
    empty = dict.fromkeys(
        ("tenant", "line", "answered_at", "begun_at", "b_channel_id", "revision_id", "group_name")
    )
    return {
        **empty,
        "call_id": CALL_ID,
        "did": "4005550001",
        "caller": "+861062001234",
        "area": "",
        "stage": "greeting",
        "setup_at": SETUP,
        "a_channel_id": CALLER,
        "memory": None,
        "direction": "inbound",
        **more,
    }


def _charge(**more: Any) -> dict[str, Any]:
    return {
        "leg_id": str(derived_id(CALL_ID, "a")),
        "role": "tenant",
        "account": "tenant:a",
        "tariff": "t",
        "tariff_version": 1,
        "rate": {"id": 1, "prefix": ""},
        "timezone": "Asia/Shanghai",
        "reservation_id": str(uuid.uuid4()),
        "charged_from": None,
        **more,
    }


def test_an_answer_that_the_row_was_not_told_is_charged_from(tmp_path: Path) -> None:
    """The switch died between the answer and the row: Asterisk's own record says when it was."""
    witness = _witness(tmp_path, ("ANSWER", 2, CALLER))
    remains = Remains(_row(), witness, frozenset([CALLER]), _at(9))
    charge = remains.begun(_charge())
    assert charge["charged_from"] == _at(2).isoformat()
    [leg] = remains.cdr([(charge, Settled(7000, 7, 35_000))]).legs
    assert (leg.answered_at, leg.ended_at, leg.talk_seconds) == (_at(2), _at(9), 7.0)
    assert leg.cost_micros == 35_000


def test_what_was_never_answered_begins_nowhere(tmp_path: Path) -> None:
    """A caller who only heard it ring is charged nothing, whoever ended the call."""
    remains = Remains(_row(), _witness(tmp_path), frozenset([CALLER]), _at(9))
    charge = remains.begun(_charge())
    assert charge["charged_from"] is None
    [leg] = remains.cdr([(charge, Settled(0, 0, 0))]).legs
    assert (leg.answered_at, leg.disposition, leg.talk_seconds) == (None, "lost", 0.0)


def test_a_line_that_answered_unseen_is_a_leg(tmp_path: Path) -> None:
    """Its channel's name is its leg's; it was up from its answer to its own end."""
    witness = _witness(tmp_path, ("ANSWER", 1, CALLER), ("ANSWER", 4, LINE), ("HANGUP", 6, LINE))
    remains = Remains(_row(), witness, frozenset([CALLER]), _at(9))
    legs = remains.cdr([(remains.begun(_charge()), Settled(8000, 8, 40_000))]).legs
    assert [(leg.side, leg.leg_id, leg.channel_id) for leg in legs[1:]] == [("b", B_LEG, LINE)]
    assert (legs[1].answered_at, legs[1].ended_at, legs[1].talk_seconds) == (_at(4), _at(6), 2.0)
    assert legs[1].cost_micros == 0


def test_the_call_id_of_the_carrier_is_kept(tmp_path: Path) -> None:
    """By it people find the call again: the row remembers it, of each leg."""
    legs = [
        {"channel_id": CALLER, "sip_call_id": "1@carrier"},
        {"channel_id": LINE, "sip_call_id": "2@us"},
    ]
    row = _row(memory={"legs": legs}, b_channel_id=LINE)
    remains = Remains(row, _witness(tmp_path), frozenset([CALLER]), _at(9))
    cdr = remains.cdr([(_charge(), Settled(0, 0, 0))])
    assert cdr.sip_call_id == "1@carrier"
    assert [leg.sip_call_id for leg in cdr.legs] == ["1@carrier", "2@us"]


def test_a_leg_of_whose_end_nothing_is_known_lasted_as_long_as_it_was_paid(
    tmp_path: Path,
) -> None:
    """It is gone, and Asterisk's record does not say when: no more than that is proven."""
    remains = Remains(_row(), _witness(tmp_path, ("ANSWER", 2, CALLER)), frozenset(), _at(900))
    [leg] = remains.cdr([(remains.begun(_charge()), Settled(7000, 7, 35_000))]).legs
    assert (leg.answered_at, leg.ended_at, leg.talk_seconds) == (_at(2), _at(9), 7.0)
