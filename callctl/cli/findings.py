"""What doctor finds: one thing looked at, how it is, what was seen, what to do."""

from enum import StrEnum

from pydantic import BaseModel


class Status(StrEnum):
    """How a thing is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(BaseModel):
    """One thing that doctor looked at; `remedy` is empty when all is well."""

    name: str
    status: Status
    seen: str
    remedy: str = ""


def ok(name: str, seen: str) -> Finding:
    """All is well."""
    return Finding(name=name, status=Status.OK, seen=seen)


def warn(name: str, seen: str, remedy: str) -> Finding:
    """It works, and can hurt later."""
    return Finding(name=name, status=Status.WARN, seen=seen, remedy=remedy)


def fail(name: str, seen: str, remedy: str) -> Finding:
    """It does not work, or loses money."""
    return Finding(name=name, status=Status.FAIL, seen=seen, remedy=remedy)


def judge(name: str, seen: str, remedy: str, *, good: bool) -> Finding:
    """Ok when `good`, else fail with `remedy`."""
    return ok(name, seen) if good else fail(name, seen, remedy)
