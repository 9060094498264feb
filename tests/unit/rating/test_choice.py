"""Which rate of a tariff a call has, and why."""

from datetime import UTC, datetime, timedelta

import pytest

from callctl.directory.areas import shipped_table
from callctl.rating import find_rate
from callctl.values.area import Area
from callctl.values.phone_number import PhoneNumber
from callctl.values.tariff import Rate, Tariff
from tests.unit.rating.samples import START, USUAL, rate

_SINCE = datetime(2026, 10, 1, tzinfo=UTC)
_UNTIL = datetime(2026, 11, 1, tzinfo=UTC)


def _rate(name: str, prefix: str = "", area: str = "", **more: datetime) -> Rate:
    """A rate told from the others by its id, which is made of its name."""
    return rate(USUAL, prefix=prefix, area=area, id=sum(map(ord, name)), **more)


_ANY = _rate("any")
_CHINA = _rate("china", "86")
_BEIJING = _rate("beijing", "8610")
_MOBILE = _rate("mobile", "8613")
_GUANGDONG = _rate("guangdong", area="440000")
_SHENZHEN = _rate("shenzhen", area="440300")
_SHANGHAI = _rate("shanghai", area="310000")
_CHANGSHA = _rate("changsha", area="430100")
_HUNAN = _rate("hunan", area="430000")
_TARIFF = Tariff(
    "t",
    1,
    "CNY",
    (_ANY, _CHINA, _MOBILE, _BEIJING, _GUANGDONG, _SHENZHEN, _SHANGHAI, _CHANGSHA, _HUNAN),
)
_AREAS_ONLY = Tariff(
    "t", 1, "CNY", (_SHENZHEN, _ANY, _GUANGDONG, _CHANGSHA, _HUNAN, _SHANGHAI, _rate("f", "44"))
)


@pytest.mark.parametrize(
    ("tariff", "number", "expected", "why"),
    [
        pytest.param(_TARIFF, "13800138000", _MOBILE, "longest prefix 8613", id="longest"),
        pytest.param(_TARIFF, "01062001234", _BEIJING, "longest prefix 8610", id="area code"),
        pytest.param(_TARIFF, "02162001234", _CHINA, "longest prefix 86", id="shorter one"),
        pytest.param(_TARIFF, "+442071234567", _ANY, "any number", id="foreign"),
        pytest.param(_TARIFF, "", _ANY, "any number", id="unknown"),
        pytest.param(_TARIFF, "10086", _ANY, "any number", id="unplaced"),
        pytest.param(
            _AREAS_ONLY, "+442071234567", _AREAS_ONLY.rates[6], "longest prefix 44", id="p"
        ),
        pytest.param(_AREAS_ONLY, "075526001234", _SHENZHEN, "area 广东 深圳", id="city"),
        pytest.param(_AREAS_ONLY, "02038001234", _GUANGDONG, "area 广东", id="province"),
        pytest.param(_AREAS_ONLY, "02162001234", _SHANGHAI, "area 上海", id="municipality"),
        pytest.param(_AREAS_ONLY, "073182001234", _HUNAN, "area 湖南", id="code of several cities"),
        pytest.param(_AREAS_ONLY, "01062001234", _ANY, "any number", id="other area"),
        pytest.param(_AREAS_ONLY, "", _ANY, "any number", id="no area"),
    ],
)
def test_choice(tariff: Tariff, number: str, expected: Rate, why: str) -> None:
    """The longest prefix; else the city, then the province; else the rate for any number."""
    parsed = PhoneNumber.parse(number)
    area = shipped_table().area_of(parsed)
    choice = find_rate(tariff, parsed.text.removeprefix("+"), area, START)
    assert choice is not None
    assert (choice.rate, choice.why) == (expected, why)


def test_area_that_may_be_elsewhere_has_no_rate_of_its_own() -> None:
    """A caller who is only perhaps in a province is not priced as if he were."""
    border = Area("湖南", None, "430000", ("430100", "420100"))
    choice = find_rate(_AREAS_ONLY, "", border, START)
    assert choice is not None
    assert choice.rate is _ANY


def test_order_of_the_rates_does_not_matter() -> None:
    """A tariff written backwards gives the same rates."""
    backwards = Tariff("t", 1, "CNY", tuple(reversed(_TARIFF.rates)))
    for digits in ("8613800138000", "861062001234", "862162001234", "4420"):
        there = find_rate(_TARIFF, digits, Area.UNKNOWN, START)
        assert find_rate(backwards, digits, Area.UNKNOWN, START) == there


def test_no_rate_is_none() -> None:
    """A tariff without a rate that fits has no answer."""
    tariff = Tariff("t", 1, "CNY", (_CHINA,))
    assert find_rate(tariff, "44", Area.UNKNOWN, START) is None
    assert find_rate(tariff, "", Area.UNKNOWN, START) is None
    assert find_rate(Tariff("t", 1, "CNY", ()), "86", Area.UNKNOWN, START) is None


def test_a_short_number_meets_no_longer_prefix() -> None:
    """A number that is only the beginning of a prefix does not have it."""
    assert find_rate(Tariff("t", 1, "CNY", (_BEIJING,)), "86", Area.UNKNOWN, START) is None


_MICROSECOND = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        pytest.param(_SINCE - _MICROSECOND, "always", id="before"),
        pytest.param(_SINCE, "october", id="from the first moment"),
        pytest.param(_UNTIL - _MICROSECOND, "october", id="to the last"),
        pytest.param(_UNTIL, "always", id="after"),
    ],
)
def test_validity(at: datetime, expected: str) -> None:
    """Of two rates for one prefix the one that became valid last counts while it is valid."""
    always = _rate("always", "86")
    october = _rate("october", "86", valid_from=_SINCE, valid_until=_UNTIL)
    for rates in ((always, october), (october, always)):
        choice = find_rate(Tariff("t", 1, "CNY", rates), "8610", Area.UNKNOWN, at)
        assert choice is not None
        assert choice.rate is {"always": always, "october": october}[expected]


def test_rate_that_is_not_valid_gives_way() -> None:
    """When the longest prefix is not valid the shorter one counts, then area, then any number."""
    gone = _rate("gone", "8610", valid_until=_SINCE)
    to_come = _rate("to come", area="110000", valid_from=_UNTIL)
    beijing = shipped_table().area("110000")
    at = _SINCE

    def why(*rates: Rate) -> str | None:
        choice = find_rate(Tariff("t", 1, "CNY", rates), "861062001234", beijing, at)
        return choice.why if choice else None

    assert why(gone, to_come, _CHINA, _ANY) == "longest prefix 86"
    assert why(gone, to_come, _ANY) == "any number"
    assert why(gone, to_come) is None
    at = _UNTIL
    assert why(gone, to_come, _ANY) == "area 北京"
