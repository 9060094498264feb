"""Numbers, lines and facts that tests of routing are made of."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from callctl.directory.answering import (
    Callback,
    Group,
    Line,
    Member,
    Menu,
    Message,
    Strategy,
    Target,
    Voicemail,
)
from callctl.directory.answering_fields import read_target
from callctl.directory.models import Answering, Did, Tenant
from callctl.routing import Facts
from callctl.values.area import Area
from callctl.values.phone_number import PhoneNumber
from callctl.values.schedule import Hours, Schedule
from callctl.values.tariff import Tariff

BEIJING = Area("北京", "北京", "110000")
SHENZHEN = Area("广东", "深圳", "440300")
ZONE = Area("湖南", None, "430000", ("430100", "430200", "430300"))
TENANT = Tenant("acme", "zh", "Asia/Shanghai", 1, "tenant:acme", 2, "CNY", (60, 15))
NOON = datetime(2026, 10, 14, 4, 0, tzinfo=UTC)  # a Wednesday, 12:00 in Shanghai
CALLER = PhoneNumber.parse("13901710001")
ALWAYS = Schedule("always", "Asia/Shanghai", (Hours((), 0, 1440),))
NEVER = Schedule("never", "Asia/Shanghai", ())
OFFICE = Schedule("office", "Asia/Shanghai", (Hours(("workday",), 540, 1080),))


def line(name: str, *areas: str, **fields: Any) -> Line:
    number = PhoneNumber.parse(f"0106200{sum(name.encode()) % 10000:04}")
    return Line(name, number, "carrier", None, ring_seconds=15, areas=areas, **fields)


def group(
    name: str, *members: Line | Member, strategy: Strategy = Strategy.SEQUENTIAL, **fields: Any
) -> Group:
    made = tuple(one if isinstance(one, Member) else Member(one) for one in members)
    return Group(name, strategy, made, **fields)


def box(name: str) -> Voicemail:
    return Voicemail(name, "callctl/leave-a-message")


def target(text: str) -> Target:
    return read_target(text)


def did(default: str, *parts: Group | Menu | Message | Voicemail | Line, **fields: Any) -> Did:
    """A number that goes to `default` first, with these parts to go to."""

    def named(kind: type) -> dict[str, Any]:
        return {one.name: one for one in parts if isinstance(one, kind)}

    groups: dict[str, Group] = named(Group)
    lines = {one.line.name: one.line for found in groups.values() for one in found.members}
    answering = Answering(
        groups=groups,
        menus=named(Menu),
        messages=named(Message),
        voicemails=named(Voicemail),
        lines={**lines, **named(Line)},
    )
    tariff = Tariff("inbound", 1, "CNY", ())
    fields.setdefault("callback", Callback("carrier"))
    return Did("4001234567", TENANT, tariff, answering, target(default), **fields)


def facts(number: Did, caller: str | PhoneNumber = CALLER, **fields: Any) -> Facts:
    """A call of that moment, with all lines idle unless `fields` say otherwise."""
    known = caller if isinstance(caller, PhoneNumber) else PhoneNumber.parse(caller)
    made = Facts(number, known, Area.UNKNOWN, NOON)
    return replace(made, **fields)
