"""One leg of a call: what Asterisk has said about its channel so far.

The exchange calls `take` for each event of the channel, in the reader; it only notes facts, so
the order in which Asterisk's threads publish them does not matter.
"""

import uuid
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from math import inf

from callctl import clock
from callctl.ari import models
from callctl.calls.call_clock import Moment
from callctl.values.hangup import Disposition, HangupCause, disposition_of

DIGITS_MAX = 32  # that wait to be read; a flood of more is counted and dropped
_LATEST_MAX = 8  # of so many digits it is known that they are the same one, told twice


@dataclass(slots=True)
class Leg:
    """The A-leg (the caller) or a B-leg (a line); times are the call's clock's, aware datetimes.

    `answered_monotonic` is the answer on clock.monotonic(), which paid time is counted from.
    A line's leg that was answered takes part in the call once it is taken: at its answer, or at
    `taken_at` if it had to be confirmed first.
    """

    leg_id: uuid.UUID
    channel_id: str
    side: str
    number: str
    line: str | None
    setup_at: datetime
    sip_call_id: str = ""
    lifetime_seconds: float = inf  # after it was made Asterisk ends it, if nothing else is set
    is_in_stasis: bool = False
    has_left_stasis: bool = False
    is_rung: bool = False  # an INVITE was sent to it
    was_up: bool = False  # some event has shown it answered, be it not that of the answer
    answered_at: datetime | None = None
    answered_monotonic: float | None = None
    hung_up_at: datetime | None = None  # the first sign of the end
    destroyed_at: datetime | None = None  # the end that billing goes by
    cause: int = 0
    gave_up_as: Disposition | None = None
    is_blameless: bool = False  # Asterisk, not the line, is why it gave up
    is_released: bool = False  # callctl hung it up while it lived
    is_taken: bool = False  # this line took the call
    taken_at: datetime | None = None  # None: at its answer
    digits: deque[str] = field(default_factory=deque)  # pressed and not yet read
    dropped_digits: int = 0
    _latest_digits: deque[tuple[datetime, str]] = field(
        default_factory=lambda: deque(maxlen=_LATEST_MAX)
    )

    @property
    def is_gone(self) -> bool:
        """Whether the channel has hung up or left us; no command will reach it any more."""
        return self.has_left_stasis or self.hung_up_at is not None or self.destroyed_at is not None

    @property
    def is_answer_untold(self) -> bool:
        """Whether it was answered, and the event that tells when got lost or is late."""
        return self.was_up and self.answered_at is None

    @property
    def ended_at(self) -> datetime | None:
        """When the party was gone: the first sign of it, or the channel's end."""
        return self.hung_up_at or self.destroyed_at

    @property
    def joined_at(self) -> datetime | None:
        """When the party was there to talk; None for a line that did not take the call."""
        if self.side == "b" and not self.is_taken:
            return None
        return self.taken_at or self.answered_at

    @property
    def joined_monotonic(self) -> float | None:
        """As `joined_at`, on clock.monotonic()."""
        joined_at, answered_at = self.joined_at, self.answered_at
        if joined_at is None or answered_at is None or self.answered_monotonic is None:
            return None
        return self.answered_monotonic + (joined_at - answered_at).total_seconds()

    @property
    def disposition(self) -> Disposition:
        """What became of the leg, for the trace and the CDR: ANSWERED only if it took the call."""
        if self.joined_at is not None:
            return Disposition.ANSWERED
        if self.gave_up_as is not None:
            return self.gave_up_as
        return Disposition.CANCELLED if self.answered_at else disposition_of(self.cause)

    def take(self, event: models.Event, moment: Moment | None = None) -> None:
        """Note what `event` says about this leg; `moment` is when it was made."""
        moment = moment or _just_now(event.timestamp)
        at = moment.at
        channel = getattr(event, "channel", None)
        self.was_up = self.was_up or (channel is not None and channel.state == "Up")
        match event:
            case models.StasisStart():
                self.is_in_stasis = True
                self._see(event.channel, moment)
            case models.StasisEnd():
                self.has_left_stasis = True
            case models.ChannelStateChange():
                self._see(event.channel, moment)
            case models.ChannelDtmfReceived():
                self._press(event.digit, event.timestamp)
            case models.ChannelHangupRequest():
                self.hung_up_at = self.hung_up_at or at
                if not event.soft:  # a soft one carries a flag of Asterisk's own, no Q.850 cause
                    self.cause = self.cause or event.cause or 0
            case models.ChannelDestroyed():
                self.destroyed_at = at
                # The first cause is the reason; our own hang-up, which may cross it, is not.
                self.cause = self.cause or event.cause or HangupCause.NORMAL

    def lose(self, at: datetime, cause: int | None = None) -> None:
        """Asterisk has the channel no more and did not tell: it ended at `at` or later."""
        self.destroyed_at = max(at, self.answered_at or self.setup_at)
        self.hung_up_at = self.hung_up_at or self.destroyed_at
        self.cause = self.cause or cause or HangupCause.TEMPORARY_FAILURE

    def see(self, channel: models.Channel, moment: Moment) -> bool:
        """Note what Asterisk says of the channel now; whether it was answered unseen."""
        was_answered = self.answered_at is not None
        self.is_in_stasis = self.is_in_stasis or channel.dialplan.app_name == "Stasis"
        self._see(channel, moment)
        return self.answered_at is not None and not was_answered

    def _press(self, digit: str, stamp: datetime) -> None:
        is_told_again = (stamp, digit) in self._latest_digits
        self._latest_digits.append((stamp, digit))
        if is_told_again or len(self.digits) >= DIGITS_MAX:
            self.dropped_digits += 1
        else:
            self.digits.append(digit)

    def _see(self, channel: models.Channel, moment: Moment) -> None:
        self.sip_call_id = self.sip_call_id or channel.protocol_id or ""
        if channel.state == "Up":
            self.answer(moment)

    def answer(self, moment: Moment) -> None:
        """It was answered then, or before: what tells of it may come later than one has asked."""
        if self.answered_at is None or moment.at < self.answered_at:
            self.answered_at, self.answered_monotonic = moment


def _just_now(at: datetime) -> Moment:
    """A moment of the wall clock that is past by a second at most."""
    age_seconds = min(max((clock.now() - at).total_seconds(), 0.0), 1.0)
    return Moment(at, clock.monotonic() - age_seconds)
