"""Numbers, lines and tenants for tests that need a directory and no database."""

from typing import Any

from callctl.directory.answering import (
    LINES_GROUP,
    Group,
    Line,
    Member,
    Strategy,
    Target,
    TargetKind,
)
from callctl.directory.models import Answering, Did, Directory, Tenant
from callctl.values.phone_number import PhoneNumber
from callctl.values.tariff import Rate, Tariff

TARIFF = Tariff("retail", 3, "CNY", (Rate("", 100_000, 300_000, 0, 60, 60),))


def make_tenant(name: str = "acme", **more: Any) -> Tenant:
    """A tenant whose account is called after it."""
    return Tenant(name, "zh", "Asia/Shanghai", 1, f"tenant:{name}", 2, "CNY", (60, 15), **more)


def make_line(number: str, **more: Any) -> Line:
    """A line named after its number."""
    fields = {"trunk": "carrier", "tariff": None, "ring_seconds": 15, "areas": ()} | more
    return Line(name=f"l{number}", number=PhoneNumber.parse(number), **fields)


def make_did(number: str, tenant: Tenant, *lines: Line, own: tuple[Line, ...] | None = None) -> Did:
    """A number of a tenant who has `lines`; it rings `own`, or all of them."""
    members = tuple(Member(line=line) for line in (lines if own is None else own))
    group = Group(LINES_GROUP, Strategy.SEQUENTIAL, members)
    return Did(
        number,
        tenant,
        TARIFF,
        Answering({LINES_GROUP: group}, lines={line.name: line for line in lines}),
        Target(TargetKind.GROUP, LINES_GROUP),
    )


def make_directory(*dids: Did) -> Directory:
    """A directory of these numbers."""
    return Directory(1, {did.number: did for did in dids})
