"""What a talk costs, worked out slowly and plainly: the oracle of test_laws.

It knows no pieces and no edges: each minute of billed time is asked for its price by itself.
"""

from datetime import date, datetime, timedelta
from fractions import Fraction
from math import floor
from zoneinfo import ZoneInfo

from callctl.rating import Meter
from callctl.values.tariff import WEEKDAYS, Band, Calendar, Rate


def cost_micros(meter: Meter, talk_ms: int) -> int:
    """The cost, by the definition of each term."""
    rate = meter.rate
    if talk_ms <= 0:
        return 0
    cost = Fraction(rate.connect_fee_micros)
    charged = _charged_seconds(rate, talk_ms) * 1000
    step = min(charged, rate.first_step_seconds * 1000)
    cost += Fraction(rate.first_step_price_micros * step, 60_000)
    start = _whole_ms(meter.started_at) + timedelta(seconds=rate.free_seconds)
    at, end = start + timedelta(milliseconds=step), start + timedelta(milliseconds=charged)
    zone = ZoneInfo(meter.timezone)
    while at < end:
        until = min(end, at.replace(second=0, microsecond=0) + timedelta(minutes=1))
        price = _price(rate, at.astimezone(zone), meter.calendar)
        cost += Fraction((until - at) // timedelta(milliseconds=1) * price, 60_000)
        at = until
    rounded = floor(cost / rate.round_to_micros + Fraction(1, 2)) * rate.round_to_micros
    return rounded if rate.maximum_cost_micros is None else min(rounded, rate.maximum_cost_micros)


def _charged_seconds(rate: Rate, talk_ms: int) -> int:
    beyond_ms = talk_ms - rate.free_seconds * 1000
    if beyond_ms <= 0:
        return 0
    seconds = rate.first_increment_seconds
    while seconds < rate.minimum_seconds or seconds * 1000 < beyond_ms:
        seconds += rate.next_increment_seconds
    return seconds


def _whole_ms(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _price(rate: Rate, wall: datetime, calendar: Calendar | None) -> int:
    for band in rate.bands:
        if _fits(band, wall, calendar):
            return band.price_per_minute_micros
    return rate.price_per_minute_micros


def _fits(band: Band, wall: datetime, calendar: Calendar | None) -> bool:
    minute = wall.hour * 60 + wall.minute
    today = wall.date()
    spans = [(today, band.from_minute, band.to_minute)]
    if band.to_minute <= band.from_minute:
        yesterday = today - timedelta(days=1)
        spans = [(today, band.from_minute, 1440), (yesterday, 0, band.to_minute)]
    return any(
        begin <= minute < end and (not band.days or set(band.days) & _names(day, calendar))
        for day, begin, end in spans
    )


def _names(day: date, calendar: Calendar | None) -> set[str]:
    """The names that a date goes by."""
    listed = calendar.days.get(day) if calendar else None
    is_weekend = day.weekday() >= 5
    names = set() if listed else {WEEKDAYS[day.weekday()]}
    if listed == "workday" or (not listed and not is_weekend):
        names.add("workday")
    if listed == "holiday":
        names.add("holiday")
    if is_weekend and listed != "workday":
        names.add("restday")
    return names
