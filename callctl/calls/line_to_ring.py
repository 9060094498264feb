"""A line as a call rings it; made by flows from a routing decision."""

import uuid
from dataclasses import dataclass

TOLD_SECONDS_MAX = 20  # prompts to who answered end after this
CONFIRM_SECONDS_MAX = 10  # to press the key, after the prompts


@dataclass(frozen=True, slots=True)
class LineToRing:
    """A line as `prepare` and `dial` take it; `endpoint` is made of directory data only (R19).

    has_ringback  the caller hears a prompt of ours meanwhile, and not how the line rings
    confirm_key   the digit by which who answers takes the call; None: the answer is enough
    told          prompts to who answers, in `language`, before he is joined with the caller
    """

    leg_id: uuid.UUID
    name: str
    number: str
    endpoint: str
    ring_seconds: int
    has_ringback: bool
    confirm_key: str | None = None
    told: tuple[str, ...] = ()
    language: str = "zh"

    @property
    def is_taken_by_answer(self) -> bool:
        """Whether who answers is joined with the caller at once."""
        return self.confirm_key is None and not self.told

    @property
    def seconds_max(self) -> int:
        """From ringing to the latest moment at which the call is taken."""
        told_seconds = TOLD_SECONDS_MAX if self.told else 0
        confirm_seconds = CONFIRM_SECONDS_MAX if self.confirm_key is not None else 0
        return self.ring_seconds + told_seconds + confirm_seconds
