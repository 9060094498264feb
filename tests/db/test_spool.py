"""CDRs that wait for PostgreSQL, written when it is back: each call has one, whoever comes by."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
from structlog.testing import capture_logs

from callctl import clock
from callctl.cdr import Cdr, Journal, LeftCdrs, Spool
from callctl.cdr.journal import WaitedCdr
from callctl.db.pool import Database
from tests.unit.cdr_samples import another_of, refused_cdr


@dataclass
class Outage:
    """A spool on a database that is up or away as the test says."""

    database: Database
    spool: Spool
    journal: Journal
    folder: Path
    is_up: bool = False

    async def written(self) -> list[str]:
        rows = await self.database.fetch("SELECT call_id FROM cdrs ORDER BY setup_at")
        return [str(row["call_id"]) for row in rows]

    async def legs(self) -> int:
        count: int = await self.database.fetchval("SELECT count(*) FROM cdr_legs")
        return count

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*"))


@pytest.fixture
async def outage(database: Database, tmp_path: Path) -> AsyncIterator[Outage]:
    """PostgreSQL is away, as far as the spool knows."""
    journal = Journal(database)
    made = Outage(database, Spool(journal, tmp_path, is_up=lambda: made.is_up), journal, tmp_path)
    await journal.start()
    await made.spool.start()
    yield made
    await made.spool.stop()
    await journal.stop()


async def _run_once(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """One turn of what runs beside the calls."""
    turns = iter([None])

    async def sleep(_: float) -> None:
        next(turns)

    with monkeypatch.context() as patched:
        patched.setattr(clock, "sleep", sleep)
        with pytest.raises(RuntimeError):  # StopIteration
            await spool.run()


async def test_they_are_written_when_it_is_back(
    outage: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them, once, in a file that is empty then; later ones go straight to PostgreSQL."""
    cdrs = [refused_cdr(n) for n in range(600)]
    for cdr in cdrs:
        await outage.spool.write(cdr)
    await _run_once(outage.spool, monkeypatch)
    assert await outage.written() == []

    outage.is_up = True
    await _run_once(outage.spool, monkeypatch)
    assert await outage.written() == [str(cdr.call_id) for cdr in cdrs]
    assert await outage.legs() == 600
    assert outage.spool.waiting_count == outage.spool.lost_count == 0
    assert [path.stat().st_size for path in outage.files()] == [0]

    await outage.spool.write(last := refused_cdr(600))
    assert (await outage.written())[-1] == str(last.call_id)
    await outage.spool.stop()
    assert outage.files() == []


async def test_the_columns_are_the_same(outage: Outage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CDR that waited is what it would be if it had not."""
    cdr = refused_cdr()
    await outage.journal.write(cdr)
    [direct] = await outage.database.fetch("SELECT * FROM cdrs")
    legs = await outage.database.fetch("SELECT * FROM cdr_legs")
    await outage.database.execute("DELETE FROM cdr_legs")
    await outage.database.execute("DELETE FROM cdrs")
    await outage.spool.write(cdr)
    outage.is_up = True
    await _run_once(outage.spool, monkeypatch)
    assert await outage.database.fetch("SELECT * FROM cdrs") == [direct]
    assert await outage.database.fetch("SELECT * FROM cdr_legs") == legs


async def test_twice_is_once(outage: Outage) -> None:
    """The same one again changes nothing; nor does another run's, whichever comes first."""
    cdrs = [refused_cdr(n) for n in range(2)]
    await outage.journal.write(cdrs[0])
    await outage.journal.write(WaitedCdr(cdrs[0].call_id, orjson.dumps(cdrs[0], default=str)))
    other = another_of(cdrs[0])
    await outage.journal.write(WaitedCdr(other.call_id, orjson.dumps(other, default=str)))
    await outage.journal.write(another_of(cdrs[1]))
    await outage.journal.write(cdrs[1])
    assert await outage.written() == [str(cdr.call_id) for cdr in cdrs]
    assert await outage.legs() == 1 + 2


async def test_the_next_run_writes_what_is_left(outage: Outage) -> None:
    """Not while the process lives whose file it is; once it has ended, all, and the file goes."""
    left = LeftCdrs(outage.database, outage.folder)
    cdrs = [refused_cdr(n) for n in range(300)]
    for cdr in cdrs:
        await outage.spool.write(cdr)
    await left.write()
    assert await outage.written() == []

    await outage.spool.stop()
    [path] = outage.files()
    with path.open("ab") as file:
        file.write(b'{"call_id": "cut sho')
    await left.write()
    assert await outage.written() == [str(cdr.call_id) for cdr in cdrs]
    assert outage.files() == []


async def test_a_bad_one_keeps_no_other_back(outage: Outage) -> None:
    """What the disk has damaged, or PostgreSQL refuses, is in the log; the others are written."""
    good = [refused_cdr(n) for n in range(2)]
    bad = orjson.dumps(_without_caller(refused_cdr()), default=str)
    lines = [orjson.dumps(one, default=str) for one in good]
    damaged = [b"\0" * 20, b'"text"', b'{"call_id": "no id"}', bad]
    text = b"\n".join([lines[0], *damaged, lines[1]]) + b"\n"
    (outage.folder / "x.jsonl").write_bytes(text)
    with capture_logs() as logged:
        await LeftCdrs(outage.database, outage.folder).write()
    assert await outage.written() == [str(cdr.call_id) for cdr in good]
    lost = [one["cdr"] for one in logged if one["event"] == "cdr_not_written"]
    assert sorted(lost) == sorted(line.decode() for line in damaged)
    assert outage.files() == []


def _without_caller(cdr: Cdr) -> dict[str, object]:
    return {**orjson.loads(orjson.dumps(cdr)), "caller": None}
