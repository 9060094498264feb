"""What nobody of us saw of channels, from Asterisk's own record; used by recovery and inquiry.

The file is the one that asterisk-conf/cel_custom.conf describes. Without it nothing is known. What
it has of another call on a channel of the same id, before or after a restart, is not told.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import structlog

from callctl.cdr.asterisk_events import Event, read_latest
from callctl.errors import InvalidInput
from callctl.values.ids import is_leg_channel

LAST_BYTES = 8 << 20
"""Of the record, what was written lately: half an hour of 10 calls a second."""
_MICROS_PER_SECOND = 1_000_000
_log = structlog.get_logger()


class Witness:
    """The answers and hang-ups of some channels."""

    def __init__(self) -> None:
        self._answered: dict[str, datetime] = {}
        self._hung_up: dict[str, datetime] = {}
        self._causes: dict[str, int] = {}
        self._with: dict[str, list[str]] = {}  # who answered in the call that a channel began

    @classmethod
    def read(
        cls,
        path: Path | None,
        channels: Iterable[tuple[str, UUID]],
        *,
        last_bytes: int | None = None,
    ) -> "Witness":
        """Look the channels, each with its call's id, up in the file, or in its last so many bytes.

        What is wrong with it is logged, and tells nothing; nor does it tell of a channel id that
        two of the calls have.
        """
        wanted, witness = _calls(channels), cls()
        if path is None or not wanted:
            return witness
        try:
            for event, cause in read_latest(path, wanted, last_bytes):
                call_id = wanted.get(event.channel_id) or wanted.get(event.linked_id)
                if call_id is not None and event.call_id in {None, call_id}:
                    witness._take(event, cause)
        except (OSError, InvalidInput) as error:
            _log.warning("asterisk_record_unread", error=str(error))
        return witness

    def _take(self, event: Event, cause: int | None) -> None:
        at = datetime.fromtimestamp(event.at_micros / _MICROS_PER_SECOND, UTC)
        if event.is_answer:
            self._answered.setdefault(event.channel_id, at)
            self._with.setdefault(event.linked_id, []).append(event.channel_id)
            return
        self._hung_up[event.channel_id] = at
        if cause:
            self._causes[event.channel_id] = cause

    def answered_at(self, channel_id: str) -> datetime | None:
        """When Asterisk says that the channel was answered; None when it does not."""
        return self._answered.get(channel_id)

    def answered_with(self, channel_id: str) -> list[str]:
        """The channels of ours that answered in the call that began with this one."""
        return [one for one in self._with.get(channel_id, []) if is_leg_channel(one)]

    def cause(self, channel_id: str) -> int | None:
        """The Q.850 cause of the hang-up, if Asterisk tells it."""
        return self._causes.get(channel_id)

    def hung_up_at(self, channel_id: str) -> datetime | None:
        """When Asterisk says that the channel hung up; None when it does not."""
        return self._hung_up.get(channel_id)


def _calls(channels: Iterable[tuple[str, UUID]]) -> dict[str, UUID]:
    """The calls by the ids of their channels, but for those that repeat."""
    calls, doubtful = dict[str, UUID](), set[str]()
    for channel_id, call_id in channels:
        if calls.setdefault(channel_id, call_id) != call_id:
            doubtful.add(channel_id)
    return {one: call_id for one, call_id in calls.items() if one not in doubtful}
