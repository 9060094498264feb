"""Areas: which callers a line bound to an adcode serves, and which a block on one stops."""

import pytest

from callctl.values.area import Area

SHENZHEN = Area("广东", "深圳", "440300", (), "Guangdong")
BEIJING = Area("北京", "北京", "110000", (), "Beijing")
CHANGSHA_ZONE = Area("湖南", None, "430000", ("430100", "430200", "430300"), "Hunan")


@pytest.mark.parametrize(
    ("area", "adcode", "matches", "is_within"),
    [
        (SHENZHEN, "440300", True, True),
        (SHENZHEN, "440000", True, True),
        (SHENZHEN, "440100", False, False),
        (SHENZHEN, "430000", False, False),
        (SHENZHEN, "440305", False, False),
        (BEIJING, "110000", True, True),
        (BEIJING, "120000", False, False),
        (CHANGSHA_ZONE, "430000", True, True),
        (CHANGSHA_ZONE, "430100", True, False),
        (CHANGSHA_ZONE, "430300", True, False),
        (CHANGSHA_ZONE, "430400", False, False),
        (Area.UNKNOWN, "110000", False, False),
        (Area.UNKNOWN, "430000", False, False),
    ],
)
def test_area_under_an_adcode_matches(
    area: Area, adcode: str, matches: bool, is_within: bool
) -> None:
    """A province covers its cities; a zone may be in each of its cities and is surely in none."""
    assert (area.matches(adcode), area.is_within(adcode)) == (matches, is_within)


def test_area_is_written_for_people() -> None:
    """The CDR shows province and city, a municipality once, and unknown as that."""
    areas = (SHENZHEN, BEIJING, CHANGSHA_ZONE, Area.UNKNOWN)
    assert [str(area) for area in areas] == ["广东 深圳", "北京", "湖南", "unknown"]
    assert [bool(area) for area in areas] == [True, True, True, False]
