"""One leg of a call: what Asterisk has said about its channel so far.

The exchange calls `take` for each event of the channel, in the reader; it only notes facts, so
the order in which Asterisk's threads publish them does not matter.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime

from callctl import clock
from callctl.ari import models
from callctl.values.hangup import Disposition, HangupCause, disposition_of


@dataclass(slots=True)
class Leg:
    """The A-leg (the caller) or a B-leg (a line); times are Asterisk's, as aware UTC datetimes.

    `answered_monotonic` is the answer on clock.monotonic(), which paid time is counted from.
    """

    leg_id: uuid.UUID
    channel_id: str
    side: str
    number: str
    line: str | None
    setup_at: datetime
    sip_call_id: str = ""
    is_in_stasis: bool = False
    has_left_stasis: bool = False
    is_rung: bool = False  # an INVITE was sent to it
    answered_at: datetime | None = None
    answered_monotonic: float | None = None
    hung_up_at: datetime | None = None  # the first sign of the end
    destroyed_at: datetime | None = None  # the end that billing goes by
    cause: int = 0
    gave_up_as: Disposition | None = None
    is_released: bool = False  # callctl hung it up while it lived

    @property
    def is_gone(self) -> bool:
        """Whether the channel has hung up or left us; no command will reach it any more."""
        return self.has_left_stasis or self.hung_up_at is not None or self.destroyed_at is not None

    @property
    def ended_at(self) -> datetime | None:
        """When the party was gone: the first sign of it, or the channel's end."""
        return self.hung_up_at or self.destroyed_at

    @property
    def disposition(self) -> Disposition:
        """What became of the leg, for the trace and the CDR."""
        if self.answered_at is not None:
            return Disposition.ANSWERED
        if self.gave_up_as is not None:
            return self.gave_up_as
        return disposition_of(self.cause)

    def take(self, event: models.Event) -> None:
        """Note what `event` says about this leg."""
        at = event.timestamp
        match event:
            case models.StasisStart():
                self.is_in_stasis = True
                self._see(event.channel, at)
            case models.StasisEnd():
                self.has_left_stasis = True
            case models.ChannelStateChange():
                self._see(event.channel, at)
            case models.ChannelHangupRequest():
                self.hung_up_at = self.hung_up_at or at
                if not event.soft:  # a soft one carries a flag of Asterisk's own, no Q.850 cause
                    self.cause = self.cause or event.cause or 0
            case models.ChannelDestroyed():
                self.destroyed_at = at
                # The first cause is the reason; our own hang-up, which may cross it, is not.
                self.cause = self.cause or event.cause or HangupCause.NORMAL

    def lose(self, at: datetime) -> None:
        """Asterisk has the channel no more and did not tell: it ended at `at` or later."""
        self.destroyed_at = max(at, self.answered_at or self.setup_at)
        self.hung_up_at = self.hung_up_at or self.destroyed_at
        self.cause = self.cause or HangupCause.TEMPORARY_FAILURE

    def _see(self, channel: models.Channel, at: datetime) -> None:
        self.sip_call_id = self.sip_call_id or channel.protocol_id or ""
        if channel.state == "Up" and self.answered_at is None and self.gave_up_as is None:
            self.answered_at = at
            # The event is a little old when it gets here; a stepped wall clock must not count.
            age_seconds = min(max((clock.now() - at).total_seconds(), 0.0), 1.0)
            self.answered_monotonic = clock.monotonic() - age_seconds
