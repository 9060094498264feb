"""What numbers are answered with, from its rows to the models of a call; called by store.

The object that a tenant's row holds was written by directory.columns from entries that were right:
nothing is checked again, so that no stricter rule of a later callctl keeps it from being loaded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any, NamedTuple

from callctl.directory.answering import (
    LINES_GROUP,
    Callback,
    CallerList,
    CarrierCost,
    Greeting,
    Group,
    Line,
    ListMode,
    Member,
    Menu,
    MenuKey,
    Message,
    Queue,
    Route,
    Strategy,
    Target,
    TargetKind,
    Voicemail,
)
from callctl.directory.answering_entries import BLACKLIST
from callctl.directory.answering_fields import prompt_path, range_of, read_target
from callctl.directory.fields import read_clock
from callctl.directory.models import Answering, Did, Limits, Tenant
from callctl.directory.rows import Row
from callctl.values.phone_number import PhoneNumber
from callctl.values.schedule import Hours, ManualSwitch, Schedule, SpecialDays
from callctl.values.tariff import Calendar, Tariff

Stored = Mapping[str, Any]
Tariffs = Mapping[str, Tariff]


class House(NamedTuple):
    """A tenant with all that its numbers share."""

    tenant: Tenant
    answering: Answering
    lines_by_id: Mapping[int, Line]
    schedules: Mapping[str, Schedule]
    lists: Mapping[str, CallerList]
    screening: Stored


def house(
    row: Row,
    tenant: Tenant,
    lines: Sequence[Row],
    tariffs: Tariffs,
    calendars: Mapping[str, Calendar],
) -> House:
    """What a tenant's numbers share; `row` is the tenant's."""
    stored = row["answering"] or {}
    calendar = calendars.get(row["calendar"] or "")
    schedules = {
        one["name"]: _schedule(one, tenant.timezone, calendar)
        for one in stored.get("schedules", ())
    }
    by_id = {one["id"]: _line(one, tariffs, schedules) for one in lines}
    lines_by_name = {line.name: line for line in by_id.values()}
    path = partial(prompt_path, tenant=tenant.name)
    answering = Answering(
        groups={one["name"]: _group(one, lines_by_name, path) for one in stored.get("groups", ())},
        menus={one["name"]: _menu(one, schedules, path) for one in stored.get("menus", ())},
        messages={
            one["name"]: Message(
                one["name"], path(one["prompt"]), one["answers"], _target(one["then"])
            )
            for one in stored.get("messages", ())
        },
        voicemails={
            one["name"]: Voicemail(one["name"], path(one["greeting"]), one["email"], one["seconds"])
            for one in stored.get("voicemails", ())
        },
        lines=lines_by_name,
    )
    lists = {one["name"]: _caller_list(one, path) for one in stored.get("lists", ())}
    return House(tenant, answering, by_id, schedules, lists, stored.get("screening", {}))


def did_of(row: Row, found: House, tariffs: Tariffs) -> Did:
    """A number of the house."""
    path = partial(prompt_path, tenant=found.tenant.name)
    answering, default = found.answering, _target(row["target"])
    if default is None:
        group = Group(
            name=LINES_GROUP,
            strategy=Strategy(row["strategy"]),
            members=tuple(Member(found.lines_by_id[line_id]) for line_id in row["line_ids"]),
        )
        answering = replace(answering, groups={**answering.groups, LINES_GROUP: group})
        default = Target(TargetKind.GROUP, LINES_GROUP)
    per_minute = row["calls_per_caller_minute"] or found.screening.get("calls_per_caller_minute")
    return Did(
        number=row["number"],
        tenant=found.tenant,
        tariff=tariffs[row["tariff"]],
        answering=answering,
        default=default,
        routes=tuple(_route(one, found) for one in row["routes"] or ()),
        lists=_lists(row, found),
        calls_per_caller_minute=per_minute,
        schedule=_named(found.schedules, row["schedule"]),
        switch=ManualSwitch(row["switch"]),
        closed=_target(row["closed"]),
        ringback=_path(path, row["ringback"]),
        greeting=Greeting(path(row["greeting"]), row["is_barge_in"]) if row["greeting"] else None,
        is_recorded=row["is_recorded"],
        callback=_callback(row, tariffs),
        limits=Limits(**row["limits"]),
    )


def _lists(row: Row, found: House) -> tuple[CallerList, ...]:
    """The number's blacklist, its lists and its tenant's, each once."""
    own: tuple[CallerList, ...] = ()
    if row["blacklist"]:
        own = (CallerList(BLACKLIST, ListMode.BLOCK, numbers=frozenset(row["blacklist"])),)
    names = dict.fromkeys((*row["lists"], *found.screening.get("lists", ())))
    return (*own, *(found.lists[name] for name in names))


def _named(found: Mapping[str, Any], name: str | None) -> Any:
    return None if name is None else found[name]


def _target(text: str | None) -> Target | None:
    return None if text is None else read_target(text)


def _path(path: Any, prompt: str | None) -> str | None:
    return None if prompt is None else path(prompt)


def _schedule(stored: Stored, timezone: str, calendar: Calendar | None) -> Schedule:
    return Schedule(
        name=stored["name"],
        timezone=timezone,
        hours=tuple(Hours(tuple(one["days"]), *_span(one)) for one in stored["hours"]),
        special_days=tuple(_special_days(one) for one in stored["special_days"]),
        calendar=calendar,
    )


def _span(stored: Stored) -> tuple[int, int]:
    return read_clock(stored["from"]), read_clock(stored["to"])


def _special_days(stored: Stored) -> SpecialDays:
    return SpecialDays(
        name=stored["name"],
        first=date.fromisoformat(stored["date"] or stored["from"]),
        last=date.fromisoformat(stored["date"] or stored["to"]),
        spans=tuple(map(_span, stored["hours"])),
    )


def _caller_list(stored: Stored, path: Any) -> CallerList:
    return CallerList(
        name=stored["name"],
        mode=ListMode(stored["mode"]),
        numbers=frozenset(stored["numbers"]),
        prefixes=tuple(stored["prefixes"]),
        ranges=tuple((one.first, one.last) for one in map(range_of, stored["ranges"])),
        areas=tuple(stored["areas"]),
        is_for_unknown=stored["unknown"],
        announcement=_path(path, stored["announcement"]),
    )


def _line(row: Row, tariffs: Tariffs, schedules: Mapping[str, Schedule]) -> Line:
    return Line(
        id=row["id"],
        name=row["name"],
        number=PhoneNumber.parse(row["number"]),
        trunk=row["trunk"],
        tariff=tariffs[row["tariff"]] if row["tariff"] else None,
        ring_seconds=row["ring_seconds"],
        areas=tuple(row["areas"]),
        carrier=_carrier(row, row["carrier_tariff"], tariffs),
        is_on=row["is_on"],
        schedule=_named(schedules, row["schedule"]),
        capacity=row["capacity"],
        confirm_key=row["confirm_key"],
        is_announced=row["is_announced"],
        wrap_up_seconds=row["wrap_up_seconds"],
        is_recorded=row["is_recorded"],
    )


def _carrier(row: Row, tariff: str | None, tariffs: Tariffs) -> CarrierCost | None:
    if not tariff:
        return None
    return CarrierCost(
        tariff=tariffs[tariff],
        revenue_account_id=row["own_revenue_account_id"],
        account_id=row["carrier_account_id"],
    )


def _callback(row: Row, tariffs: Tariffs) -> Callback | None:
    if row["callback_trunk"] is None:
        return None
    return Callback(
        trunk=row["callback_trunk"],
        tariff=tariffs[row["callback_tariff"]] if row["callback_tariff"] else None,
        carrier=_carrier(row, row["callback_carrier_tariff"], tariffs),
        ring_seconds=row["callback_ring_seconds"],
    )


def _group(stored: Stored, lines: Mapping[str, Line], path: Any) -> Group:
    return Group(
        name=stored["name"],
        strategy=Strategy(stored["strategy"]),
        members=tuple(
            Member(lines[one["line"]], one["priority"], one["weight"], one["ring_seconds"])
            for one in stored["lines"]
        ),
        extension=stored["extension"],
        ringback=_path(path, stored["ringback"]),
        queue=_queue(stored["queue"], path) if stored["queue"] else None,
        otherwise=_target(stored["otherwise"]),
    )


def _queue(stored: Stored, path: Any) -> Queue:
    return Queue(
        length_max=stored["length"],
        wait_seconds_max=stored["wait_seconds"],
        music=path(stored["music"]),
        announce_seconds=stored["announce_seconds"],
        is_vip_first=stored["vip_first"],
        overflow=_target(stored["overflow"]),
        overflow_estimate_seconds=stored["overflow_estimate_seconds"],
        keys={key: read_target(text) for key, text in stored["keys"].items()},
    )


def _menu(stored: Stored, schedules: Mapping[str, Schedule], path: Any) -> Menu:
    keys = {
        key: MenuKey(
            read_target(one["to"]), _named(schedules, one["schedule"]), _target(one["closed"])
        )
        for key, one in stored["keys"].items()
    }
    return Menu(
        name=stored["name"],
        prompt=path(stored["prompt"]),
        keys=keys,
        dials_extensions=stored["dials_extensions"],
        wait_seconds=stored["wait_seconds"],
        digit_seconds=stored["digit_seconds"],
        tries_max=stored["tries"],
        wrong_prompt=_path(path, stored["wrong_prompt"]),
        no_key=_target(stored["no_key"]),
        wrong_key=_target(stored["wrong_key"]),
        is_barge_in=stored["barge_in"],
    )


def _route(stored: Stored, found: House) -> Route:
    return Route(
        name=stored["name"],
        target=read_target(stored["to"]),
        areas=tuple(stored["areas"]),
        prefixes=tuple(stored["prefixes"]),
        while_open=_named(found.schedules, stored["while_open"]),
        while_closed=_named(found.schedules, stored["while_closed"]),
        caller_list=_named(found.lists, stored["list"]),
        percentage=stored["percentage"],
        is_vip_only=stored["vip"],
    )
