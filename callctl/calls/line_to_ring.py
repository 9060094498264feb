"""A line as a call rings it; made by flows from a routing decision."""

import uuid
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LineToRing:
    """A line as `prepare` and `dial` take it; `endpoint` is made of directory data only (R19).

    With a ringback of the tenant's the caller does not hear how the line rings.
    """

    leg_id: uuid.UUID
    name: str
    number: str
    endpoint: str
    ring_seconds: int
    has_ringback: bool
