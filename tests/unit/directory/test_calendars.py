"""Calendars of countries as drafts for callctl apply."""

from datetime import date

import pytest

from callctl.directory.calendars import draft
from callctl.directory.reading import read_document
from callctl.errors import InvalidInput


def days_of(text: str) -> dict[date, str]:
    """The kinds of a draft's days."""
    (calendar,) = read_document(text.encode()).calendars
    return {day.date: day.kind for day in calendar.days}


def test_china_has_its_holidays_and_make_up_workdays() -> None:
    """The draft is a file that apply takes, with the days on which people work instead."""
    found = draft("CN", 2026, "cn")

    days = days_of(found.text)
    assert days[date(2026, 10, 1)] == "holiday"
    assert days[date(2026, 10, 10)] == "workday"
    assert {day.year for day in days} == {2026}
    assert "{date: 2026-10-01, kind: holiday, name: 国庆节}" in found.text
    assert found.warning is None


def test_december_that_makes_up_for_january_is_there() -> None:
    """A workday of December that makes up for the next New Year is in December's year."""
    assert days_of(draft("CN", 2018, "cn").text)[date(2018, 12, 29)] == "workday"


def test_year_whose_make_up_workdays_are_not_known_yet_has_a_warning() -> None:
    """A country that makes up for holidays is warned about when a year has none."""
    found = draft("CN", 2090, "cn")

    assert found.warning is not None
    assert "no make-up workdays of CN are known for 2090" in found.warning
    assert "workday" not in days_of(found.text).values()


def test_country_without_make_up_workdays_has_no_warning() -> None:
    """In France nobody works on a Saturday instead; the names are in its own language."""
    found = draft("FR", 2026, "feries")

    assert found.warning is None
    assert "name: feries" in found.text
    assert "Noël" in found.text


def test_part_of_a_country_has_more_holidays() -> None:
    """Bavaria's Epiphany is no holiday of all Germany."""
    assert date(2026, 1, 6) in days_of(draft("DE", 2026, "by", "BY").text)
    assert date(2026, 1, 6) not in days_of(draft("DE", 2026, "de").text)


@pytest.mark.parametrize(
    ("country", "subdivision", "year", "words"),
    [
        ("XX", None, 2026, "'XX'"),
        ("DE", "ZZ", 2026, "'DE ZZ'"),
        ("CN", None, 1900, "known for 1900"),
    ],
)
def test_unknown_country_or_year_is_refused(
    country: str, subdivision: str | None, year: int, words: str
) -> None:
    """The message says what is not known and what to write."""
    with pytest.raises(InvalidInput, match=f"{words}.*write") as caught:
        draft(country, year, "x", subdivision)

    assert "no holidays of" in str(caught.value)
