"""Which extensions a pattern of Asterisk's dialplan matches; used by doctor's look at dialplans."""

from collections.abc import Iterator

_CLASSES = {"X": "0123456789", "Z": "123456789", "N": "23456789"}


def matches(extension: str, dialled: str) -> bool:
    """Whether `extension` as it stands in the dialplan ("100", "_X.", "_[a-f]!") takes `dialled`.

    As Asterisk does: dashes mean nothing, letters other than X, Z and N themselves.
    """
    if not extension.startswith("_"):
        return extension == dialled
    place = 0
    for part in _parts(extension[1:]):
        if part == "!":
            return True
        if part == ".":
            return place < len(dialled)
        if place >= len(dialled) or dialled[place] not in part:
            return False
        place += 1
    return place == len(dialled)


def _parts(pattern: str) -> Iterator[str]:
    """Each part of a pattern: the characters that may stand there, or "." or "!"."""
    rest = pattern
    while rest:
        head, rest = rest[0], rest[1:]
        if head == "[":
            inside, _, rest = rest.partition("]")
            yield "".join(_expanded(inside))
        elif head != "-":
            yield _CLASSES.get(head.upper(), head)


def _expanded(inside: str) -> Iterator[str]:
    """The characters of a class such as "a-f0"."""
    index = 0
    while index < len(inside):
        if inside[index + 1 : index + 2] == "-" and index + 2 < len(inside):
            yield from map(chr, range(ord(inside[index]), ord(inside[index + 2]) + 1))
            index += 3
        else:
            yield inside[index]
            index += 1
