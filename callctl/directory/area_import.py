"""Newer mobile segments from a CSV file, checked whole; called by `callctl areas`.

A row is a segment of seven digits and the province or city that it belongs to, by name or adcode:

    segment,area
    1390171,上海
    1700001,440300
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from callctl.db.pool import Connection, Database
from callctl.db.queries import queries
from callctl.directory.areas import AreaTable, shipped_table
from callctl.errors import ConfigurationRefused, InvalidInput, Problem
from callctl.values.area import Area
from callctl.values.phone_number import PhoneNumber

BYTES_MAX = 50_000_000
SEGMENTS_MAX = 1_000_000
PROBLEMS_SHOWN_MAX = 100
_HEADING = "segment"
_SEGMENT = re.compile(r"1[3-9][0-9]{5}")

Segments = Mapping[str, str]  # adcode by segment


@dataclass(frozen=True, slots=True)
class SegmentsImported:
    """What an import changes, in numbers of segments; `is_written` once it is in force.

    `same` ones have their area already, from an earlier import or from the shipped table.
    """

    added: int = 0
    changed: int = 0
    same: int = 0
    is_written: bool = False


@dataclass(frozen=True, slots=True)
class SegmentRun:
    """Segments from `first` to `last` that one import gave one area."""

    first: str
    last: str
    area: Area
    imported_at: datetime


def read_segments(content: bytes) -> Segments:
    """Read and check a whole file; raises ConfigurationRefused with all its `problems`."""
    reading = _Reading(shipped_table())
    rows = csv.reader(io.StringIO(_decoded(content), newline=""), strict=True)
    try:
        for row in rows:
            if row:
                reading.take(rows.line_num, [cell.strip() for cell in row])
            if len(reading.adcodes) > SEGMENTS_MAX:
                message = f"too many: at most {SEGMENTS_MAX} segments are possible"
                raise _refused([Problem(rows.line_num, "", message)])
    except csv.Error as error:
        message = f"this is not CSV ({error}): look at the quotes"
        reading.problems.append(Problem(rows.line_num, "", message))
    if not (reading.adcodes or reading.problems):
        message = "there are no segments: write one a row, such as 1390171,上海"
        reading.problems.append(Problem(1, "", message))
    if reading.problems:
        raise _refused(reading.problems)
    return reading.adcodes


async def plan_segments(connection: Connection, segments: Segments) -> SegmentsImported:
    """What `import_segments` would do."""
    found, _ = await _plan(connection, segments)
    return found


async def import_segments(database: Database, segments: Segments) -> SegmentsImported:
    """Write what differs, in one transaction, and tell the running switches; all or nothing."""
    async with database.transaction() as connection:
        await queries.lock_area_segments(connection)
        found, wanted = await _plan(connection, segments)
        if wanted:
            await queries.write_area_segments(
                connection, segments=list(wanted), adcodes=list(wanted.values())
            )
            await queries.announce_area_segments(connection)
    return replace(found, is_written=bool(wanted))


async def list_segments(connection: Connection) -> list[SegmentRun]:
    """The imported segments in order; neighbours of one area and one import together."""
    table = shipped_table()
    runs: list[SegmentRun] = []
    for row in await queries.read_area_segments(connection):
        segment = row["segment"]
        run = SegmentRun(segment, segment, table.area(row["adcode"]), row["imported_at"])
        if runs and _follows(runs[-1], run):
            run = replace(runs.pop(), last=segment)
        runs.append(run)
    return runs


async def _plan(connection: Connection, segments: Segments) -> tuple[SegmentsImported, Segments]:
    """What differs, as counts and as the segments to write."""
    rows = await queries.read_area_segments(connection)
    imported = {row["segment"]: row["adcode"] for row in rows}
    wanted = {}
    added = changed = 0
    for segment, adcode in segments.items():
        known = imported.get(segment) or _shipped_adcode(segment)
        if known != adcode:
            wanted[segment] = adcode
            added += known is None
            changed += known is not None
    return SegmentsImported(added, changed, len(segments) - len(wanted)), wanted


def _shipped_adcode(segment: str) -> str | None:
    return shipped_table().area_of(PhoneNumber.parse(f"{segment}0000")).adcode


def _follows(before: SegmentRun, run: SegmentRun) -> bool:
    is_next = int(run.first) == int(before.last) + 1
    return is_next and (before.area, before.imported_at) == (run.area, run.imported_at)


@dataclass(slots=True)
class _Reading:
    """What was found in the file so far."""

    table: AreaTable
    adcodes: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    _lines: dict[str, int] = field(default_factory=dict)
    _resolved: dict[str, str] = field(default_factory=dict)  # many rows name the same city

    def take(self, line: int, row: Sequence[str]) -> None:
        """Read one row; what is wrong with it goes to `problems`."""
        if not self._lines and row[0].lower() == _HEADING:
            return
        if len(row) != 2:
            message = f"{len(row)} cells: write a segment and its area, such as 1390171,上海"
            self.problems.append(Problem(line, "", message))
            return
        segment, area = row
        if not _SEGMENT.fullmatch(segment):
            message = f"{segment!r} is no segment: write the first seven digits of a mobile"
            self.problems.append(Problem(line, _HEADING, message))
        elif segment in self._lines:
            message = f"{segment} is also in line {self._lines[segment]}: delete one of the two"
            self.problems.append(Problem(line, _HEADING, message))
        self._lines[segment] = line
        try:
            self.adcodes[segment] = self._adcode(area)
        except InvalidInput as error:
            self.problems.append(Problem(line, "area", str(error)))

    def _adcode(self, area: str) -> str:
        if area not in self._resolved:
            self._resolved[area] = self.table.resolve(area)
        return self._resolved[area]


def _decoded(content: bytes) -> str:
    if len(content) > BYTES_MAX:
        message = f"the file is over {BYTES_MAX} bytes: is it a list of segments?"
        raise _refused([Problem(1, "", message)])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = "this is not UTF-8 text: save the file as CSV UTF-8"
        raise _refused([Problem(line, "", message)]) from None


def _refused(problems: Sequence[Problem]) -> ConfigurationRefused:
    count = len(problems)
    message = f"the segments were refused whole ({count} problems); nothing was changed"
    return ConfigurationRefused(message, problems=sorted(problems))
