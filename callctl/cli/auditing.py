"""The round of an audit: every proof in turn, in one snapshot that nobody's writing disturbs."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from callctl import clock
from callctl.cli.asterisk_records import AsteriskRecords
from callctl.cli.recomputing import Recomputing
from callctl.db.pool import session
from callctl.errors import SchemaMismatch
from callctl.views import Views
from callctl.views.audit import GRACE_SECONDS, QUERY_PROOFS, AuditReader, Proof

_STATEMENT_SECONDS_MAX = 3600.0  # a sum over years of transfers takes its time


@dataclass(frozen=True, slots=True)
class Timed:
    """A proof and the seconds that it took."""

    proof: Proof
    seconds: float


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to audit: the books alone, or Asterisk's own records in `asterisk` as well.

    `since` bounds which legs must be in those files; None: from their first answer on.
    """

    asterisk: Sequence[Path] = ()
    since: datetime | None = None
    grace_seconds: float = GRACE_SECONDS


Told = Callable[[str, int, int], None]  # the proof that begins, its number, how many there are


async def run_audit(dsn: str, wanted: Wanted, tell: Told) -> tuple[datetime, list[Timed]]:
    """Do every proof; returns the moment of the snapshot and what came of each.

    Raises DatabaseUnavailable, or InvalidInput for a file that Asterisk did not write.
    """
    async with session(dsn, timeout_seconds=_STATEMENT_SECONDS_MAX) as connection:
        if not await Views(connection).schema_version():
            raise SchemaMismatch("this database has no callctl in it: check CALLCTL_DATABASE_URL")
        records = AsteriskRecords(connection, wanted.grace_seconds, wanted.since)
        if wanted.asterisk:  # first: the snapshot of the books must not be older than the files
            tell("reading Asterisk's records", 0, 1)
            await records.load(wanted.asterisk)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            reader = AuditReader(connection, grace_seconds=wanted.grace_seconds)
            at = await reader.begin()
            proofs = _proofs(reader)
            if wanted.asterisk:
                proofs.append(("asterisk", records.compare))
            found = []
            for number, (name, prove) in enumerate(proofs):
                tell(name, number, len(proofs))
                begun = clock.monotonic()
                found.append(Timed(await prove(), clock.monotonic() - begun))
            return at, found


def _proofs(reader: AuditReader) -> list[tuple[str, Callable[[], Awaitable[Proof]]]]:
    recomputing = Recomputing(reader)
    proofs: list[tuple[str, Callable[[], Awaitable[Proof]]]] = [
        (name, partial(reader.prove, name, claim, query)) for name, claim, query in QUERY_PROOFS
    ]
    proofs.append(("costs", recomputing.costs))
    proofs.append(("settlements", recomputing.settlements))
    return proofs
