"""What routing knows about a call, and the steps by which it explains itself."""

from dataclasses import dataclass

from callctl.directory.models import Did
from callctl.values.area import Area
from callctl.values.phone_number import PhoneNumber


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a routing rule may look at."""

    did: Did
    caller: PhoneNumber
    area: Area


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One rule that was looked at: whether it matched, and why in words."""

    rule: str
    matched: bool
    why: str
