"""Chance that can be played again: a hash of the call's seed and of the rule that asks."""

from hashlib import blake2b
from struct import unpack

_BITS = 53  # as many as a float holds


def chance(seed: int, rule: str) -> float:
    """A number from 0 (included) to 1 (not): the same for the same seed and rule."""
    digest = blake2b(f"{seed} {rule}".encode(errors="replace"), digest_size=8).digest()
    return _share(int.from_bytes(digest, "little"))


def chances(seed: int, rule: str, count: int) -> list[float]:
    """As many such numbers, independent of each other."""
    drawn: list[float] = []
    while len(drawn) < count:
        digest = blake2b(f"{seed} {rule} {len(drawn)}".encode(errors="replace")).digest()
        drawn += map(_share, unpack("<8Q", digest))
    return drawn[:count]


def _share(number: int) -> float:
    """The 64 bits as a share of 1, without those that a float does not hold."""
    return (number >> (64 - _BITS)) / (1 << _BITS)
