"""Single values of what numbers are answered with, as files write them; called by the entries.

As in directory.fields: `read_...` takes a field's text and raises ValueError that says what to
write, `show_...` gives text that is read back as the same value.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from callctl.directory.answering import Target, TargetKind
from callctl.directory.fields import read_number, show_number

PROMPT_PATTERN = r"^[a-z0-9_-]+(/[a-z0-9_-]+)*$"
_DOMAIN_PART = "[A-Za-z0-9-]{1,63}"
EMAIL_PATTERN = rf"^[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_DOMAIN_PART}(\.{_DOMAIN_PART})*$"
OWN_FOLDER = "tenants"  # below Asterisk's sounds: tenants/<tenant>/<name>
_NAMELESS = (TargetKind.CALLBACK, TargetKind.REFUSE)
_NAMED = tuple(kind for kind in TargetKind if kind not in _NAMELESS)
TARGET_PATTERN = (
    rf"^(({'|'.join(_NAMED)}):[a-z0-9][a-z0-9_-]{{0,62}}|{'|'.join(map(str, _NAMELESS))})$"
)
_TARGET_EXAMPLE = "group:support, menu:main, line:desk, message:closed, voicemail:box, callback"
_TARGET = re.compile(TARGET_PATTERN)
_DIGITS = re.compile(r"\+?[0-9]{1,15}")
# How a number begins that has no country and area: 10086, 110, 95588, a 400 number is +86400.
_SERVICE = re.compile(r"1[0-2]|9[56]")
_CHINESE = re.compile(r"1[3-9]|[48]00")
_RANGE = re.compile(r"(\+?[0-9]{3,15}) ?- ?(\+?[0-9]{3,15})")
_RANGE_EXAMPLE = "01062000000-01062000099"


class NumberRange(NamedTuple):
    """The first and the last number of a range, as PhoneNumber.text."""

    first: str
    last: str


@lru_cache(maxsize=10_000)
def read_target(text: str) -> Target:
    """Where a call goes: "group:support", "callback"."""
    if not _TARGET.fullmatch(text):
        raise ValueError(
            f"{text!r} is nowhere to go: write one of {_TARGET_EXAMPLE} or refuse, "
            "with the name of yours"
        )
    kind, _, name = text.partition(":")
    return Target(TargetKind(kind), name)


def check_target(text: str) -> str:
    """The text of a target, once it is known to be one."""
    return str(read_target(text))


def check_prompt(text: str) -> str:
    """The name of a prompt: with a slash it is one of ours, without the tenant's own audio."""
    if text.startswith(f"{OWN_FOLDER}/"):
        own = text.rpartition("/")[2]
        raise ValueError(f"{text!r} has a folder: own audio is written by its name alone, {own}")
    return text


def prompt_path(prompt: str, tenant: str) -> str:
    """Where below Asterisk's sounds the prompt is that a tenant's file names."""
    return prompt if "/" in prompt else f"{OWN_FOLDER}/{tenant}/{prompt}"


def read_caller_prefix(text: str) -> str:
    """What numbers begin with, of those that the text begins with as people dial them.

    "+8610" of "010", "+86139" of "139", "+44" of "0044"; "955" stays, as 95588 has no area.
    """
    if not _DIGITS.fullmatch(text):
        raise ValueError(f"{text!r} does not fit: write the digits a number begins with")
    prefix = text
    if text.startswith("00"):
        prefix = "+" + text[2:]
    elif text.startswith("0"):
        prefix = "+86" + text[1:]
    elif text.startswith("86"):
        prefix = "+" + text
    elif _CHINESE.match(text):
        prefix = "+86" + text
    is_country = prefix.startswith("+") and len(prefix) > 1 and prefix[1] != "0"
    if not is_country and not _SERVICE.match(prefix):
        raise ValueError(
            f"{text!r} is not how a number begins: write such as 010 (an area), 139 (mobiles), "
            "+44 (a country), 400 or 955"
        )
    return prefix


def read_range(text: str) -> str:
    """A range of numbers in its normal form, "first-last"."""
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no range: write first-last, such as {_RANGE_EXAMPLE}")
    first, last = read_number(match[1]), read_number(match[2])
    if len(first) != len(last):
        raise ValueError(f"{text!r} has two lengths: write both numbers in full")
    if first > last:
        raise ValueError(f"{text!r} is the wrong way round: write the smaller number first")
    return f"{first}-{last}"


def range_of(text: str) -> NumberRange:
    """The numbers of a range in its normal form."""
    first, _, last = text.partition("-")
    return NumberRange(first, last)


def show_range(text: str) -> str:
    """Return a range as people dial its numbers."""
    return "-".join(map(show_number, range_of(text)))
