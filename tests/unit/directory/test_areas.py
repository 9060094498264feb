"""The shipped table of areas: known facts, shared area codes, unknown segments, names."""

import lzma
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callctl.directory.areas import AreaTable, resolve_area, shipped_table
from callctl.errors import ConfigurationRefused, InvalidInput
from callctl.values.area import Area
from callctl.values.phone_number import PhoneNumber


def area_of(text: str) -> Area:
    """Return the area of the number in `text` by the shipped table."""
    return shipped_table().area_of(PhoneNumber.parse(text))


@pytest.mark.parametrize(
    ("text", "adcode", "name"),
    [
        ("01062000001", "110000", "北京"),
        ("1062000001", "110000", "北京"),
        ("02162000001", "310000", "上海"),
        ("13901710001", "310000", "上海"),
        ("0086 139 0171 0001", "310000", "上海"),
        ("13800138000", "110000", "北京"),
        ("075512345678", "440300", "广东 深圳"),
        ("02012345678", "440100", "广东 广州"),
        ("02312345678", "500000", "重庆"),
        ("09911234567", "650100", "新疆 乌鲁木齐"),
        ("043312345678", "222400", "吉林 延边"),
        ("04791234567", "152500", "内蒙古 锡林郭勒"),
        ("09961234567", "652800", "新疆 巴州"),
        ("+85221234567", "810000", "香港"),
    ],
)
def test_area_of_known_numbers(text: str, adcode: str, name: str) -> None:
    """Numbers whose home is common knowledge are placed there."""
    area = area_of(text)
    assert (area.adcode, str(area)) == (adcode, name)


@pytest.mark.parametrize(
    "text",
    [
        "14000010001",  # a segment that nobody has been given
        "19999999999",
        "08521234567",  # an area code that is no more
        "62000001",
        "10086",
        "4006001234",
        "+442071234567",
        "anonymous",
        "",
    ],
)
def test_area_of_numbers_that_tell_none_is_unknown(text: str) -> None:
    """Unknown stays unknown: the call goes to the default line, not to a guess (A7)."""
    assert area_of(text) is Area.UNKNOWN


def test_area_of_a_shared_area_code_is_a_zone() -> None:
    """0731 serves three cities: the province is sure, each city is possible, the city is open."""
    area = area_of("073112345678")
    assert (area.province, area.city, area.adcode) == ("湖南", None, "430000")
    assert area.zone == ("430100", "430200", "430300")
    assert area.matches("430100")
    assert not area.is_within("430100")


def test_every_area_in_the_table_is_consistent() -> None:
    """Each place has its province's name, and each zone's cities lie in its province."""
    table = shipped_table()
    for area in [*table.places[1:], *table.area_codes.values()]:
        assert area.adcode is not None
        province = table.area(area.adcode[:2] + "0000")
        assert (area.province, area.province_english) == (
            province.province,
            province.province_english,
        )
        for adcode in area.zone:
            assert adcode in table.divisions
            assert adcode[:2] == area.adcode[:2]
    assert max(table.segments) < len(table.places)


@given(st.integers(min_value=13_000_000_000, max_value=19_999_999_999))
def test_area_of_any_mobile_is_a_place_or_unknown(number: int) -> None:
    """Every mobile number has an answer."""
    area = area_of(str(number))
    assert area is Area.UNKNOWN or area.matches(area.adcode or "")


@pytest.mark.parametrize(
    ("text", "adcode"),
    [
        ("北京", "110000"),
        ("北京市", "110000"),
        ("Beijing", "110000"),
        (" beijing ", "110000"),
        ("110000", "110000"),
        ("110100", "110000"),
        ("Inner Mongolia", "150000"),
        ("广东", "440000"),
        ("广东省", "440000"),
        ("深圳", "440300"),
        ("广东深圳", "440300"),
        ("广东省深圳市", "440300"),
        ("440300", "440300"),
        ("吉林", "220000"),
        ("吉林市", "220200"),
        ("海南", "460000"),
        ("青海海南", "632500"),
        ("恩施", "422800"),
        ("香港", "810000"),
    ],
)
def test_resolve_area_takes_the_names_people_write(text: str, adcode: str) -> None:
    """Names, long or short, in Chinese or, for provinces, English, and adcodes are understood."""
    assert resolve_area(text) == adcode


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("Guangdng", r"did you mean 440000 \(广东, Guangdong\)"),
        ("深川市", r"did you mean .*深圳"),
        ("Atlantis", "Write a province or city in Chinese"),
        ("", "Write a province or city in Chinese"),
        ("440305", r"write 440300 \(广东 深圳\)"),
        ("110108", r"write 110000 \(北京\)"),
        ("990000", "write six digits, such as 440300"),
        ("4403", "write six digits, such as 440300"),
    ],
)
def test_resolve_area_unknown_name_says_what_to_write(text: str, remedy: str) -> None:
    """A name that is not known is refused with the nearest ones, a district with its city."""
    with pytest.raises(InvalidInput, match=remedy) as refused:
        resolve_area(text)
    assert repr(text) in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"not xz", lzma.compress(b"not json\n"), lzma.compress(b'{"format": 99}\n')],
)
def test_load_a_damaged_table_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file that is no table of areas stops the start, naming the file."""
    path = tmp_path / "areas.xz"
    path.write_bytes(content)
    with pytest.raises(ConfigurationRefused, match=r"areas\.xz"):
        AreaTable.load(path)
