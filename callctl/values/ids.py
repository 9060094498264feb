"""Ids, all made by callctl before the act that they name; used everywhere.

Channel and bridge ids are fixed-length lower-case hex with a role letter, because Asterisk takes
a case-insensitive prefix for a match.
"""

import re
import uuid

_LEG_CHANNEL = re.compile(r"l[0-9a-f]{32}")


def new_id() -> uuid.UUID:
    """A random id, for a leg, a reservation or a transfer."""
    return uuid.uuid4()


def derived_id(parent: uuid.UUID, name: str) -> uuid.UUID:
    """The id that `name` always has under `parent`: a retry makes the same one again."""
    return uuid.uuid5(parent, name)


def channel_id(leg_id: uuid.UUID) -> str:
    """The Asterisk channel id of a leg that we create: "l" and 32 hex digits."""
    return f"l{leg_id.hex}"


def is_leg_channel(name: str) -> bool:
    """Whether `channel_id` made the name; what follows the letter is the leg's id."""
    return _LEG_CHANNEL.fullmatch(name) is not None


def snoop_id(own_id: uuid.UUID) -> str:
    """The Asterisk channel id of a channel that whispers into a leg: "s" and 32 hex digits."""
    return f"s{own_id.hex}"


def bridge_id(call_id: uuid.UUID) -> str:
    """The Asterisk bridge id of a call: "b" and 32 hex digits."""
    return f"b{call_id.hex}"
