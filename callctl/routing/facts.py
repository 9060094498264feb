"""What routing knows about a call, and the steps by which it explains itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from callctl.directory.models import Did
from callctl.values.area import Area
from callctl.values.line_state import LineState, QueueState
from callctl.values.phone_number import PhoneNumber


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a routing rule may look at; the same facts give the same decision.

    seed           of this call's chances (percentages, random order, weights): its call id as int
    lines          states by line name, of lines that are not idle and fresh
    queues         states by group name, of groups where somebody waits
    turns          how often each group was rung, by group name: for round robin
    recent_calls   calls of this caller to this number in the last 60 s, this one included
    diverted_from  who sent the call on to us (Diversion, RFC 5806)
    """

    did: Did
    caller: PhoneNumber
    area: Area
    at: datetime
    seed: int = 0
    lines: Mapping[str, LineState] = field(default_factory=dict)
    queues: Mapping[str, QueueState] = field(default_factory=dict)
    turns: Mapping[str, int] = field(default_factory=dict)
    recent_calls: int = 1
    diverted_from: PhoneNumber | None = None


class TraceStep(NamedTuple):
    """One rule that was looked at: whether it matched, and why in words."""

    rule: str
    matched: bool
    why: str
