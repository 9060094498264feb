"""Ids, all made by callctl before the act that they name; used everywhere.

Channel and bridge ids are fixed-length lower-case hex with a role letter, because Asterisk takes
a case-insensitive prefix for a match.
"""

import uuid


def new_id() -> uuid.UUID:
    """A random id, for a leg, a reservation or a transfer."""
    return uuid.uuid4()


def derived_id(parent: uuid.UUID, name: str) -> uuid.UUID:
    """The id that `name` always has under `parent`: a retry makes the same one again."""
    return uuid.uuid5(parent, name)


def channel_id(leg_id: uuid.UUID) -> str:
    """The Asterisk channel id of a leg that we create: "l" and 32 hex digits."""
    return f"l{leg_id.hex}"


def snoop_id(own_id: uuid.UUID) -> str:
    """The Asterisk channel id of a channel that whispers into a leg: "s" and 32 hex digits."""
    return f"s{own_id.hex}"


def bridge_id(call_id: uuid.UUID) -> str:
    """The Asterisk bridge id of a call: "b" and 32 hex digits."""
    return f"b{call_id.hex}"
