"""The prices of a rate in the order in which the time of a talk meets them; used by the meter.

A moment has the price of the first band that its local date and wall clock fit. Each stretch of
time with one offset from UTC is worked out by itself, so a clock that is put forward or back
changes the price exactly when it is put.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from callctl.values.tariff import Band, Calendar, Rate, is_one_of

MS_PER_MINUTE = 60_000
FIRST_STEP = "first step"
PLAIN = "price per minute"

_MINUTES_PER_DAY = 1440
_MS_PER_DAY = _MINUTES_PER_DAY * MS_PER_MINUTE
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = _EPOCH.toordinal()
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Piece:
    """Time at one price: `length_ms` from the end of the piece before; None: without an end."""

    what: str
    length_ms: int | None
    price_per_minute_micros: int


class Prices:
    """The prices along the charged time of one talk, worked out as far as somebody asked.

    `started_at` is when the talk begins. A rate without bands reads no time zone.
    """

    __slots__ = ("_known_ms", "_pieces", "_starts", "_sums", "_unread")

    def __init__(
        self, rate: Rate, started_at: datetime, timezone: str, calendar: Calendar | None
    ) -> None:
        self._unread = _pieces(rate, started_at, timezone, calendar)
        self._pieces: list[Piece] = []
        self._starts: list[int] = []
        self._sums: list[int] = []
        self._known_ms: int | None = 0  # None: all of the time there is

    def sum_to(self, charged_ms: int) -> int:
        """The price of the first `charged_ms`, times 60,000: the sum of price x milliseconds."""
        if charged_ms <= 0:
            return 0
        self._read_to(charged_ms)
        index = bisect_left(self._starts, charged_ms) - 1
        beyond_ms = charged_ms - self._starts[index]
        return self._sums[index] + beyond_ms * self._pieces[index].price_per_minute_micros

    def pieces_to(self, charged_ms: int) -> list[Piece]:
        """The pieces that the first `charged_ms` consist of; neighbours alike are one."""
        self._read_to(charged_ms)
        merged: list[Piece] = []
        for start_ms, piece in zip(self._starts, self._pieces, strict=True):
            if start_ms >= charged_ms:
                break
            left_ms = charged_ms - start_ms
            length_ms = left_ms if piece.length_ms is None else min(piece.length_ms, left_ms)
            if merged and _is_alike(merged[-1], piece):
                length_ms += merged.pop().length_ms or 0
            merged.append(Piece(piece.what, length_ms, piece.price_per_minute_micros))
        return merged

    def _read_to(self, charged_ms: int) -> None:
        while self._known_ms is not None and self._known_ms < charged_ms:
            piece = next(self._unread)
            start_ms, total = self._known_ms, 0
            if self._pieces:
                before = self._pieces[-1]
                total = self._sums[-1] + (before.length_ms or 0) * before.price_per_minute_micros
            self._pieces.append(piece)
            self._starts.append(start_ms)
            self._sums.append(total)
            self._known_ms = None if piece.length_ms is None else start_ms + piece.length_ms


def _is_alike(one: Piece, other: Piece) -> bool:
    """Whether two neighbours are one line of an explanation."""
    prices = (one.price_per_minute_micros, other.price_per_minute_micros)
    return one.what == other.what and prices[0] == prices[1]


def _pieces(
    rate: Rate, started_at: datetime, timezone: str, calendar: Calendar | None
) -> Iterator[Piece]:
    if rate.first_step_seconds:
        yield Piece(FIRST_STEP, rate.first_step_seconds * 1000, rate.first_step_price_micros)
    if not rate.bands:
        yield Piece(PLAIN, None, rate.price_per_minute_micros)
        return
    unbanded_seconds = rate.free_seconds + rate.first_step_seconds
    begin_ms = (started_at - _EPOCH) // _MILLISECOND + unbanded_seconds * 1000
    yield from _band_pieces(rate, begin_ms, ZoneInfo(timezone), calendar)


def _band_pieces(
    rate: Rate, begin_ms: int, zone: ZoneInfo, calendar: Calendar | None
) -> Iterator[Piece]:
    """Piece after piece for ever, cut at each edge of a band, at midnight and at clock changes."""
    edges = {minute for band in rate.bands for minute in (band.from_minute, band.to_minute)}
    minutes = sorted(edges | {_MINUTES_PER_DAY})
    at_ms = begin_ms
    for end_ms, offset_ms in _stretches(begin_ms, zone):
        while at_ms < end_ms:
            day, ms_of_day = divmod(at_ms + offset_ms, _MS_PER_DAY)
            minute = ms_of_day // MS_PER_MINUTE
            next_minute = minutes[bisect_right(minutes, minute)]
            until_ms = day * _MS_PER_DAY + next_minute * MS_PER_MINUTE - offset_ms
            until_ms = min(until_ms, end_ms)
            yield _piece(rate, day, minute, until_ms - at_ms, calendar)
            at_ms = until_ms


def _piece(rate: Rate, day: int, minute: int, length_ms: int, calendar: Calendar | None) -> Piece:
    local_date = date.fromordinal(_EPOCH_ORDINAL + day)
    for band in rate.bands:
        if _fits(band, local_date, minute, calendar):
            return Piece(f"band {band.name}", length_ms, band.price_per_minute_micros)
    return Piece(PLAIN, length_ms, rate.price_per_minute_micros)


def _fits(band: Band, local_date: date, minute: int, calendar: Calendar | None) -> bool:
    """Whether the band has that minute, begun on that date or, wrapping, on the one before."""
    if band.from_minute < band.to_minute:
        is_inside = band.from_minute <= minute < band.to_minute
        return is_inside and is_one_of(band.days, local_date, calendar)
    if minute >= band.from_minute:
        return is_one_of(band.days, local_date, calendar)
    if minute < band.to_minute:
        return is_one_of(band.days, local_date - timedelta(days=1), calendar)
    return False


def _stretches(begin_ms: int, zone: ZoneInfo) -> Iterator[tuple[int, int]]:
    """Ends of time with one offset from UTC, and that offset; both in milliseconds.

    A zone changes its clock at most once in a day, on a whole second.
    """
    while True:
        offset_ms, end_ms = _offset_ms(begin_ms, zone), begin_ms + _MS_PER_DAY
        if _offset_ms(end_ms, zone) != offset_ms:
            low, high = begin_ms // 1000, end_ms // 1000
            while high - low > 1:
                middle = (low + high) // 2
                if _offset_ms(middle * 1000, zone) == offset_ms:
                    low = middle
                else:
                    high = middle
            end_ms = high * 1000
        yield end_ms, offset_ms
        begin_ms = end_ms


def _offset_ms(at_ms: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(at_ms // 1000, zone).utcoffset()
    return (offset or timedelta()) // _MILLISECOND
