"""What is said to whom, as lists of prompts; pure functions that flows call.

Every name is in callctl.audio.catalogue. A prompt is a path below Asterisk's sounds, without
extension: the language is chosen when it is played.
"""

from callctl.audio.catalogue import MINUTES_EACH_MAX, MINUTES_MAX, MINUTES_STEP, PLACES_MAX
from callctl.values.area import Area

Prompts = tuple[str, ...]

CLOSED = "callctl/closed"
REFUSED = "callctl/refused"
BUSY = "callctl/busy"
NOBODY_FREE = "callctl/nobody-free"
QUEUE_FULL = "callctl/queue-full"
WRONG_KEY = "callctl/wrong-key"
INVALID_EXTENSION = "callctl/invalid-extension"
LEAVE_A_MESSAGE = "callctl/leave-a-message"
BEEP = "callctl/beep"
MESSAGE_SAVED = "callctl/message-saved"
CALLBACK_PROMISED = "callctl/callback-promised"
CALLBACK_REFUSED = "callctl/callback-refused"
CALLER_UNREACHED = "callctl/caller-unreached"
MUSIC = "callctl/hold"
NUMBER_OPENED = "callctl/number-opened"
NUMBER_CLOSED = "callctl/number-closed"
NUMBER_ON_SCHEDULE = "callctl/number-on-schedule"
CODE_REFUSED = "callctl/code-refused"


def for_whom(did_number: str, area: Area, language: str, *, is_callback: bool = False) -> Prompts:
    """To who answers a line: for which number the call is, and from where if that is known.

    Chinese names the city, or the province of several possible ones; other languages the province.
    """
    begin = "callctl/callback-for" if is_callback else "callctl/call-for"
    digits = tuple(f"callctl/digit/{digit}" for digit in did_number)
    if area.adcode is None:
        return (begin, *digits)
    is_chinese = language.lower().partition("-")[0] == "zh"
    adcode = area.adcode if is_chinese else f"{area.adcode[:2]}0000"
    return (begin, *digits, "callctl/from", f"callctl/area/{adcode}")


def press_to_take(key: str) -> Prompts:
    """To who answers a line: the digit by which he takes the call."""
    return (f"callctl/press/{key}",)


def place_and_wait(position: int, estimate_seconds: float | None) -> Prompts:
    """To a caller in a queue: his place, from 1, and the wait if it can be estimated.

    A wait is rounded up to what is told: each minute up to ten, then five minutes at a time.
    """
    place = str(position) if position <= PLACES_MAX else "many"
    said = (f"callctl/place/{place}",)
    if estimate_seconds is None:
        return said
    return (*said, f"callctl/wait/{_told_minutes(estimate_seconds)}")


def _told_minutes(seconds: float) -> str:
    if seconds < 60:
        return "0"
    minutes = -int(-seconds // 60)
    if minutes > MINUTES_EACH_MAX:
        minutes = -(-minutes // MINUTES_STEP) * MINUTES_STEP
    return str(minutes) if minutes <= MINUTES_MAX else "long"
