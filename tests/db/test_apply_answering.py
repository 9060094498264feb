"""callctl apply of all that numbers are answered with: loaded, shown, exported, refused."""

from datetime import date

import pytest

from callctl.db.pool import Database
from callctl.directory.answering import (
    LINES_GROUP,
    CallerList,
    Greeting,
    Group,
    ListMode,
    Member,
    Menu,
    MenuKey,
    Message,
    Queue,
    Strategy,
    Target,
    TargetKind,
    Voicemail,
)
from callctl.directory.apply import Plan
from callctl.directory.models import Did
from callctl.values.schedule import Hours, ManualSwitch, Schedule, SpecialDays
from callctl.values.tariff import Calendar, DayKind
from tests.db.provisioning import ANSWERING, apply_text, exported, loaded, signed, with_changes

BOX = Target(TargetKind.VOICEMAIL, "box")
SUPPORT = Target(TargetKind.GROUP, "support")
SALES = Target(TargetKind.GROUP, "sales")
CLOSED = Target(TargetKind.MESSAGE, "closed")
MAIN = Target(TargetKind.MENU, "main")
DESK = Target(TargetKind.LINE, "desk")


@pytest.fixture
async def did(database: Database) -> Did:
    """The number of the file that has everything, as a switch loads it."""
    await apply_text(database, ANSWERING)
    return (await loaded(database)).dids["4001234567"]


async def test_schedules_are_loaded_with_their_calendar(did: Did) -> None:
    """Hours are minutes in the tenant's zone, special days dates, the calendar's days are there."""
    calendar = Calendar(
        "cn-2026",
        {date(2026, 10, 1): DayKind.HOLIDAY, date(2026, 10, 10): DayKind.WORKDAY},
    )
    assert did.schedule == Schedule(
        name="office",
        timezone="Asia/Shanghai",
        hours=(Hours(("workday",), 540, 1080), Hours(("sat", "holiday"), 1320, 120)),
        special_days=(
            SpecialDays("Christmas Eve", date(2026, 12, 24), date(2026, 12, 24), ((540, 720),)),
            SpecialDays("closed for New Year", date(2026, 12, 20), date(2027, 1, 3), ()),
        ),
        calendar=calendar,
    )
    assert (did.closed, did.switch) == (CLOSED, ManualSwitch.SCHEDULE)


async def test_lists_are_loaded_in_the_order_in_which_they_are_looked_at(did: Did) -> None:
    """The number's blacklist, its own lists, then the tenant's, all numbers in E.164."""
    assert did.lists == (
        CallerList("blacklist", ListMode.BLOCK, numbers=frozenset({"+8613900000009"})),
        CallerList("friends", ListMode.VIP, numbers=frozenset({"+8613900000001"})),
        CallerList(
            name="pests",
            mode=ListMode.BLOCK,
            numbers=frozenset({"+8613900000000", "+442071234567"}),
            prefixes=("+44", "+86139", "+86571", "95588"),
            ranges=(("+861062000000", "+861062000099"),),
            areas=("310000",),
            is_for_unknown=True,
            announcement="callctl/refused",
        ),
    )
    assert did.calls_per_caller_minute == 5


async def test_lines_are_loaded_with_all_settings(did: Did) -> None:
    """A line knows when and how it is rung; the others have the usual."""
    lines = did.answering.lines
    beijing = lines["beijing"]
    assert (beijing.is_on, beijing.schedule, beijing.capacity) == (False, did.schedule, 2)
    assert (beijing.confirm_key, beijing.is_announced, beijing.is_recorded) == ("1", True, True)
    assert beijing.wrap_up_seconds == 10
    desk = lines["desk"]
    assert (desk.is_on, desk.schedule, desk.capacity, desk.confirm_key) == (True, None, None, None)
    assert (desk.is_announced, desk.is_recorded, desk.wrap_up_seconds) == (False, False, 0)
    assert desk.id not in {0, beijing.id}


async def test_groups_and_queues_are_loaded(did: Did) -> None:
    """Members have their priority, weight and ring time; queues their limits and ways out."""
    lines, groups = did.answering.lines, did.answering.groups
    assert groups["support"] == Group(
        name="support",
        strategy=Strategy.WEIGHTED,
        members=(Member(lines["desk"]), Member(lines["mobile"], 2, 30, 10)),
        extension="8001",
        ringback="callctl/ringback-demo",
        queue=Queue(
            length_max=5,
            wait_seconds_max=120,
            music="callctl/hold-other",
            announce_seconds=30,
            is_vip_first=False,
            overflow=CLOSED,
            overflow_estimate_seconds=600,
            keys={"1": BOX, "2": Target(TargetKind.CALLBACK)},
        ),
        otherwise=BOX,
    )
    assert groups["sales"].queue == Queue(20, 300, "callctl/hold", None)


async def test_menus_messages_and_boxes_are_loaded(did: Did) -> None:
    """A switchboard is as in the file, with the defaults that the page names."""
    answering = did.answering
    assert answering.menus["main"] == Menu(
        name="main",
        prompt="callctl/welcome",
        keys={
            "1": MenuKey(SUPPORT),
            "2": MenuKey(SALES, did.schedule, CLOSED),
            "3": MenuKey(Target(TargetKind.MENU, "second")),
            "*": MenuKey(MAIN),
        },
        dials_extensions=True,
        wait_seconds=8,
        digit_seconds=2,
        tries_max=2,
        wrong_prompt="callctl/wrong-key",
        no_key=SALES,
        wrong_key=Target(TargetKind.REFUSE),
        is_barge_in=False,
    )
    second = {"0": MenuKey(DESK), "#": MenuKey(MAIN)}
    assert answering.menus["second"] == Menu("second", "callctl/second", second)
    assert answering.messages == {
        "closed": Message("closed", "callctl/closed", answers=True, then=BOX),
        "bye": Message("bye", "callctl/bye"),
    }
    assert answering.voicemails == {
        "box": Voicemail("box", "callctl/greeting", "support@example.com", 60),
        "quiet": Voicemail("quiet", "callctl/leave-a-message"),
    }


async def test_number_is_loaded_with_its_routes_and_callback(did: Did) -> None:
    """Rules keep their order; a callback has its tariff and its carrier's account."""
    vips, half = did.routes
    assert (vips.name, vips.is_vip_only, vips.target) == ("vips", True, DESK)
    assert (half.areas, half.prefixes, half.percentage) == (("110000", "440300"), ("+86139",), 50)
    assert (half.while_open, half.caller_list) == (did.schedule, did.lists[1])
    assert half.while_closed is not None
    assert (half.while_closed.name, half.while_closed.hours) == ("never", ())
    assert (did.default, did.ringback) == (MAIN, "callctl/ringback-demo")
    assert did.greeting == Greeting("callctl/greeting-demo", is_barge_in=True)
    assert did.is_recorded
    assert did.callback is not None
    assert (did.callback.trunk, did.callback.ring_seconds) == ("other", 20)
    assert did.callback.tariff == did.tariff
    assert did.callback.carrier is not None
    assert did.callback.carrier.account_id
    assert (did.tenant.recording_days, did.tenant.switch_pin) == (90, "471108")


async def test_lines_of_a_number_are_a_group_of_its_own(database: Database) -> None:
    """A number with lines has what its tenant has, and the group `lines`, which it goes to."""
    await apply_text(database, ANSWERING)

    dids = (await loaded(database)).dids
    short = dids["4007654321"]
    assert short.default == Target(TargetKind.GROUP, LINES_GROUP)
    group = short.answering.groups[LINES_GROUP]
    assert group.strategy is Strategy.ROUND_ROBIN
    assert [member.line.name for member in group.members] == ["desk", "mobile"]
    assert set(short.answering.groups) == {LINES_GROUP, "support", "sales"}
    assert LINES_GROUP not in dids["4001234567"].answering.groups
    assert short.calls_per_caller_minute == 10
    assert [one.name for one in short.lists] == ["pests"]


async def test_export_of_everything_changes_nothing(database: Database) -> None:
    """What was written is read back the same, and exported the same again."""
    await apply_text(database, ANSWERING)
    assert await apply_text(database, ANSWERING) == Plan()

    text = await exported(database)

    assert await apply_text(database, text) == Plan()
    assert await exported(database) == text
    assert await exported(database, "acme") == text


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        ("recording_days: 90", "recording_days: 30", ("-", "recording_days", "90", None)),
        ('"471108"', '"471208"', ("~", "switch_pin", "471108", "471208")),
        (
            "days: [workday], ",
            "",
            (
                "~",
                "schedules.office.hours",
                "workday 09:00-18:00; sat,holiday 22:00-02:00",
                "09:00-18:00; sat,holiday 22:00-02:00",
            ),
        ),
        (
            "hours: [], name: closed",
            'hours: [{to: "12:00"}], name: closed',
            (
                "~",
                "schedules.office.special_days.2026-12-20 to 2027-01-03.hours",
                "none",
                "00:00-12:00",
            ),
        ),
        (
            '"+442071234567"',
            "",
            ("-", "lists.pests.numbers.00442071234567", "listed", None),
        ),
        ("unknown: true", "unknown: false", ("-", "lists.pests.unknown", "true", None)),
        ("capacity: 2", "capacity: 3", ("~", "lines.beijing.capacity", "2", "3")),
        ("on: false", "on: true", ("-", "lines.beijing.on", "false", None)),
        (
            "[mobile, desk]",
            "[desk, mobile]",
            ("~", "groups.sales.lines", "mobile, desk", "desk, mobile"),
        ),
        ("queue: {}", "", ("-", "groups.sales.queue", "as usual", None)),
        (
            "weight: 30,",
            "weight: 31,",
            (
                "~",
                "groups.support.lines",
                "desk, mobile (priority 2 weight 30 ring_seconds 10)",
                "desk, mobile (priority 2 weight 31 ring_seconds 10)",
            ),
        ),
        ('"0": line:desk, ', "", ("-", "menus.second.keys.0", "line:desk", None)),
        ("- {name: quiet}", "", ("-", "voicemails.quiet", "as usual", None)),
        ("answers: true, ", "", ("-", "messages.closed.answers", "true", None)),
        ("percentage: 50", "percentage: 51", ("~", "routes.half.percentage", "50", "51")),
        ("trunk: other", "trunk: third", ("~", "callback.trunk", "other", "third")),
        ("extensions: 2", "extensions: 4", ("~", "extras.extensions", "2", "4")),
        ("calls_per_caller_minute: 5", "", ("-", "calls_per_caller_minute", "5", None)),
    ],
)
async def test_difference_names_what_changed(
    database: Database, old: str, new: str, change: tuple[str, str, str | None, str | None]
) -> None:
    """Each change is found, shown with its field, and applied."""
    await apply_text(database, ANSWERING)

    text = with_changes((old, new))
    found = signed(await apply_text(database, text))

    [(sign, path, before, after)] = found
    assert (sign, before, after) == (change[0], change[2], change[3])
    assert path.startswith("tenants.acme.")
    assert path.endswith(f".{change[1]}")
    assert await apply_text(database, text) == Plan()


async def test_routes_in_another_order_are_a_difference(database: Database) -> None:
    """The first rule that holds is taken: their order is shown, and applied."""
    await apply_text(database, ANSWERING)
    vips = "          - {name: vips, vip: true, to: line:desk}\n"
    last = "            to: group:support\n"

    found = await apply_text(database, with_changes((vips, ""), (last, last + vips)))

    path = "tenants.acme.dids.4001234567.routes.order"
    assert signed(found) == [("~", path, "vips, half", "half, vips")]
    routes = (await loaded(database)).dids["4001234567"].routes
    assert [route.name for route in routes] == ["half", "vips"]


async def test_number_changes_from_lines_to_a_target_and_back(database: Database) -> None:
    """What a number no longer has is gone: its lines with `to`, its target with `lines`."""
    await apply_text(database, ANSWERING)
    lines = "lines: [desk, mobile], strategy: round_robin"

    await apply_text(database, with_changes((lines, "to: line:desk")))
    assert (await loaded(database)).dids["4007654321"].default == DESK

    await apply_text(database, ANSWERING)
    assert (await loaded(database)).dids["4007654321"].default.name == LINES_GROUP


async def test_a_changed_calendar_changes_the_schedules(database: Database) -> None:
    """A schedule has the calendar's days of now; nothing but the calendar is written."""
    await apply_text(database, ANSWERING)

    found = await apply_text(database, with_changes(("2026-10-10, kind", "2026-10-11, kind")))

    assert found.calendars == {"cn-2026"}
    assert found.tenants == frozenset()
    schedule = (await loaded(database)).dids["4001234567"].schedule
    assert schedule is not None
    assert schedule.calendar is not None
    assert set(schedule.calendar.days) == {date(2026, 10, 1), date(2026, 10, 11)}
