"""The prices that the requirements take as defaults, as calls and what they cost."""

from datetime import timedelta

import pytest

from callctl.directory.areas import shipped_table
from callctl.rating import find_rate
from callctl.values.area import Area
from callctl.values.phone_number import PhoneNumber
from callctl.values.tariff import Rate, Tariff
from tests.unit.rating.samples import START, band, local, meter, rate

_INBOUND = Rate("", 0, 300_000, 0, 60, 60)  # B2, with the increments of Amb 20
_CHEAPER = rate(_INBOUND, price_per_minute_micros=150_000)  # B3
_FRANCE = Rate("33", 0, 150_000, 0, 1, 1)  # F6, with the increments of Amb 20
_ABROAD = Rate("", 0, 890_000, 0, 1, 1)
_FRENCH = Tariff("hors-forfait", 1, "EUR", (_FRANCE, _ABROAD))


@pytest.mark.parametrize(
    ("talk_ms", "micros"),
    [(0, 0), (1, 300_000), (60_000, 300_000), (60_001, 600_000), (3_599_000, 18_000_000)],
)
def test_inbound_is_thirty_cents_a_started_minute(talk_ms: int, micros: int) -> None:
    """B2 and Amb 20: 0.30 a started minute, 60/60, and nothing without a talk."""
    assert meter(_INBOUND).cost_micros(talk_ms) == micros


def test_inbound_is_the_same_from_the_whole_country() -> None:
    """B2: local, distant, mobile, foreign and unknown callers have one rate."""
    tariff = Tariff("inbound", 1, "CNY", (_INBOUND,))
    for text in ("01062001234", "075526001234", "13800138000", "+442071234567", ""):
        number = PhoneNumber.parse(text)
        area = shipped_table().area_of(number)
        choice = find_rate(tariff, number.text.removeprefix("+"), area, START)
        assert choice is not None
        assert choice.rate is _INBOUND


def test_callers_own_share_is_not_ours() -> None:
    """B1: the company pays its rate; what the caller pays his operator appears nowhere."""
    told = meter(_INBOUND).explain(90_000)
    assert [(step.what, step.money_micros) for step in told.steps] == [
        ("price per minute", 600_000)
    ]


def test_a_customer_has_a_rate_of_his_own() -> None:
    """B3: at 0.15 a minute, 61 seconds are 0.30 and ten minutes 1.50."""
    assert meter(_CHEAPER).cost_micros(61_000) == 300_000
    assert meter(_CHEAPER).cost_micros(600_000) == 1_500_000


@pytest.mark.parametrize(
    ("local_price", "distant_price", "number", "micros"),
    [
        pytest.param(150_000, 750_000, "01062001234", 450_000, id="800 service, local"),
        pytest.param(150_000, 750_000, "02162001234", 2_250_000, id="800 service, distant"),
        pytest.param(100_000, 400_000, "01062001234", 300_000, id="400 wholesale, local"),
        pytest.param(100_000, 400_000, "13800138000", 300_000, id="a mobile of the city"),
        pytest.param(100_000, 400_000, "02162001234", 1_200_000, id="400 wholesale, distant"),
        pytest.param(100_000, 600_000, "02162001234", 1_800_000, id="public, distant"),
    ],
)
def test_local_and_distant_prices(
    local_price: int, distant_price: int, number: str, micros: int
) -> None:
    """B24: a price for callers of one's own city and another for the rest, by area."""
    near = rate(_INBOUND, area="110000", price_per_minute_micros=local_price)
    far = rate(_INBOUND, price_per_minute_micros=distant_price)
    tariff = Tariff("reference", 1, "CNY", (near, far))
    parsed = PhoneNumber.parse(number)
    area = shipped_table().area_of(parsed)
    choice = find_rate(tariff, parsed.text.removeprefix("+"), area, START)
    assert choice is not None
    assert meter(choice.rate).cost_micros(150_000) == micros


@pytest.mark.parametrize(
    ("digits", "talk_ms", "micros"),
    [
        pytest.param("33123456789", 60_000, 150_000, id="minute in France"),
        pytest.param("33123456789", 61_000, 152_500, id="by the second"),
        pytest.param("33612345678", 1, 2_500, id="started second to a mobile"),
        pytest.param("442071234567", 60_000, 890_000, id="minute abroad"),
        pytest.param("442071234567", 37_000, 548_800, id="0.548833 abroad"),
        pytest.param("442071234567", 1_000, 14_800, id="0.014833 abroad"),
    ],
)
def test_french_prices_beyond_the_plan(digits: str, talk_ms: int, micros: int) -> None:
    """F6 and Amb 20: 0.15 in metropolitan France and 0.89 abroad, 1/1, at four decimals."""
    choice = find_rate(_FRENCH, digits, Area.UNKNOWN, START)
    assert choice is not None
    assert meter(choice.rate, zone="Europe/Paris").cost_micros(talk_ms) == micros


def test_rounding_is_once_a_leg_and_never_per_increment() -> None:
    """Amb 20: 100 s at 0.89 are 1.4833; a hundred rounded seconds would be 1.48."""
    of = meter(_ABROAD)
    assert of.cost_micros(100_000) == 1_483_300
    assert 100 * of.cost_micros(1_000) == 1_480_000


def test_rounding_is_half_up_at_four_decimals() -> None:
    """Amb 20: a second at 0.003 a minute is 0.00005 and costs 0.0001; less costs nothing."""
    assert meter(rate(_FRANCE, price_per_minute_micros=3_000)).cost_micros(1_000) == 100
    assert meter(rate(_FRANCE, price_per_minute_micros=2_999)).cost_micros(1_000) == 0


def test_charging_starts_with_the_talk() -> None:
    """Amb 22: ringing counts for nothing, neither its time nor its hour."""
    dialled = local("2026-10-14 20:59:40")
    answered = dialled + timedelta(seconds=20)
    of = rate(_INBOUND, bands=(band("night", "21:00-07:00", 150_000),))
    assert meter(of, dialled).starting_at(answered).cost_micros(60_000) == 150_000
