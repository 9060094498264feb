"""Asterisk's own record of answers and hang-ups; read by audit and by recovery.

The file is the one that asterisk-conf/cel_custom.conf describes: a line is
EVENT,seconds since 1970,channel id,linked id,call id,channel name,more with EVENT ANSWER or
HANGUP; of a hang-up, `more` is JSON that tells its cause. Ids of channels may repeat once Asterisk
was restarted, those of calls never do; a line without a call's id is taken by its channel's.
"""

import re
from collections.abc import Collection, Iterator
from os import SEEK_END
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from callctl.errors import InvalidInput

_EVENTS = {"ANSWER": True, "HANGUP": False}
_MICROS_DIGITS = 6
_CHANNEL_FIELD, _CALL_ID_FIELD = 2, 4  # between them, the linked id
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CAUSE = re.compile(r'"hangupcause"+:(\d{1,3})')


class Event(NamedTuple):
    """A line; `linked_id` is the channel with which the channel's call began, "" if not told.

    `call_id` is None in a line of a dialplan that does not tell it.
    """

    channel_id: str
    linked_id: str
    call_id: UUID | None
    is_answer: bool
    at_micros: int  # since 1970


def read_events(path: Path) -> Iterator[Event]:
    """The answers and hang-ups of a file; a last line that is still being written is left."""
    with path.open(encoding="utf-8", errors="replace", newline="\n") as lines:
        for number, line in enumerate(lines, 1):
            if line.endswith("\n"):
                yield _event(line, path, number)


def read_latest(
    path: Path, channels: Collection[str], last_bytes: int | None
) -> Iterator[tuple[Event, int | None]]:
    """As read_events, with hang-ups' causes, of the last so many bytes of a file only.

    And only of these channels, and of those of calls that began with one of them.
    """
    wanted = {one.encode() for one in channels}
    with path.open("rb") as lines:
        size = lines.seek(0, SEEK_END)
        begin = 0 if last_bytes is None else max(0, size - last_bytes)
        lines.seek(begin)
        if begin:
            lines.readline()  # the rest of one
        for number, raw in enumerate(lines, 1):
            fields = raw.split(b",", _CALL_ID_FIELD)
            if wanted.isdisjoint(fields[_CHANNEL_FIELD:_CALL_ID_FIELD]):
                continue
            line = raw.decode("utf-8", "replace")
            if line.endswith("\n"):
                cause = _CAUSE.search(line)
                yield _event(line, path, number), int(cause[1]) if cause else None


def _event(line: str, path: Path, number: int) -> Event:
    event, _, rest = line.partition(",")
    moment, _, rest = rest.partition(",")
    channel_id, _, rest = rest.rstrip("\n").partition(",")
    seconds, _, micros = moment.partition(".")
    is_moment = seconds.isdecimal() and micros.isdecimal() and len(micros) == _MICROS_DIGITS
    if event not in _EVENTS or not is_moment or not channel_id:
        raise InvalidInput(
            f"{path}: line {number} is no answer or hang-up of Asterisk's: the file must be written"
            " as asterisk-conf/cel_custom.conf says"
        )
    linked_id, _, rest = rest.partition(",")
    call_id = _call_id(rest.partition(",")[0])
    return Event(channel_id, linked_id, call_id, _EVENTS[event], int(seconds + micros))


def _call_id(text: str) -> UUID | None:
    return UUID(text) if _UUID.fullmatch(text) else None
