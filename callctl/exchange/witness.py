"""When channels ended that nobody of us saw end: from Asterisk's own record; used by recovery.

The file is the one that asterisk-conf/cel_custom.conf describes. Without it the end is unknown.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import structlog

from callctl.cdr.asterisk_events import read_events
from callctl.errors import InvalidInput

_MICROS_PER_SECOND = 1_000_000
_log = structlog.get_logger()


class Witness:
    """The hang-ups of some channels."""

    def __init__(self, hung_up: dict[str, datetime]) -> None:
        self._hung_up = hung_up

    @classmethod
    def read(cls, path: Path | None, channel_ids: Iterable[str]) -> "Witness":
        """Look the channels up in the file; what is wrong with it is logged, and tells nothing."""
        wanted, found = set(channel_ids), {}
        if path is None or not wanted:
            return cls({})
        try:
            for event in read_events(path):
                if event.channel_id in wanted and not event.is_answer:
                    at = datetime.fromtimestamp(event.at_micros / _MICROS_PER_SECOND, UTC)
                    found[event.channel_id] = at
        except (OSError, InvalidInput) as error:
            _log.warning("asterisk_record_unread", error=str(error))
        return cls(found)

    def hung_up_at(self, channel_id: str) -> datetime | None:
        """When Asterisk says that the channel hung up; None when it does not."""
        return self._hung_up.get(channel_id)
