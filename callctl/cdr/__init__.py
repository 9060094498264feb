"""Call detail records, and the journal that keeps live calls and CDRs in PostgreSQL.

Flows fill a `Record` while the call goes; the exchange turns it into a `Cdr` at the end, always
and once, and hands both to the `Journal`; while PostgreSQL is away CDRs wait in the `Spool`.
"""

from callctl.cdr.journal import Journal
from callctl.cdr.record import Cdr, CdrLeg, Direction, LegPrice, LiveCall, Record, Stage
from callctl.cdr.spool import LeftCdrs, Spool

__all__ = [
    "Cdr",
    "CdrLeg",
    "Direction",
    "Journal",
    "LeftCdrs",
    "LegPrice",
    "LiveCall",
    "Record",
    "Spool",
    "Stage",
]
