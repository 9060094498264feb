"""Any configuration of a number and any call to it: queues, menus in circles, routes, lists.

Hypothesis draws the seed; a whole number drawn field by field takes a hundred times as long.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import TypeVar

from hypothesis import strategies as st

from callctl.directory.answering import (
    Callback,
    CallerList,
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
from callctl.directory.models import Answering, Did
from callctl.routing import Facts, LineState, QueueState
from callctl.values.area import Area
from callctl.values.phone_number import PhoneNumber
from callctl.values.schedule import Hours, ManualSwitch, Schedule, SpecialDays
from tests.unit.routing import samples

LINES = tuple(f"l{n}" for n in range(6))
_NAMES = ("a", "b", "c", "gone")
_CODES = ("110000", "440000", "440300", "430100")
_KEYS = "0123456789*#"
_CALLERS = ("", "01062000001", "13901710001", "+442071234567", "95588", "4001234567", "x@evil")
_PREFIXES = ("+8610", "+86139", "+44", "955")
_BEGIN = datetime(2026, 10, 1, tzinfo=UTC)
_MINUTES = 31 * 1440
Thing = TypeVar("Thing")


def calls(routes_max: int = 5) -> st.SearchStrategy[Facts]:
    """A call to any number with up to so many routes, at any moment of October 2026."""
    return st.integers(0, 2**64 - 1).map(lambda seed: _Maker(Random(seed)).call(routes_max))


class _Maker:
    """Makes one of everything at random."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.schedules = [self._schedule() for _ in range(3)]
        self.lists = [self._list(name) for name in "xyz"]

    def call(self, routes_max: int) -> Facts:
        random = self.random
        return Facts(
            self._did(routes_max),
            PhoneNumber.parse(random.choice(_CALLERS)),
            random.choice([samples.BEIJING, samples.SHENZHEN, samples.ZONE, Area.UNKNOWN]),
            _BEGIN + timedelta(minutes=random.randrange(_MINUTES)),
            seed=random.getrandbits(128),
            lines={name: self._state() for name in self._some(LINES, 3)},
            queues={name: QueueState(random.randrange(4)) for name in self._some(_NAMES, 2)},
            turns={name: random.randrange(9) for name in self._some(_NAMES, 2)},
            recent_calls=random.randint(1, 3),
            diverted_from=self._maybe(lambda: PhoneNumber.parse(random.choice(_CALLERS))),
        )

    def _maybe(self, make: Callable[[], Thing]) -> Thing | None:
        return make() if self.random.random() < 0.4 else None

    def _some(self, things: Sequence[Thing], most: int) -> list[Thing]:
        return self.random.sample(things, self.random.randint(0, most))

    def _did(self, routes_max: int) -> Did:
        lines = {name: self._line(name) for name in LINES}
        answering = Answering(
            groups={name: self._group(name, lines) for name in "abc"},
            menus={name: self._menu(name) for name in "abc"},
            messages={name: self._message(name) for name in "abc"},
            voicemails={"a": Voicemail("a", "prompt")},
            lines={**lines, "a": lines["l0"]},
        )
        return replace(
            samples.did("refuse"),
            answering=answering,
            default=self._target(),
            routes=tuple(self._route(n) for n in range(self.random.randint(0, routes_max))),
            lists=tuple(self._some(self.lists, 2)),
            calls_per_caller_minute=self._maybe(lambda: 2),
            schedule=self._maybe_schedule(),
            switch=self.random.choice([*ManualSwitch, ManualSwitch.SCHEDULE]),
            closed=self._maybe(self._target),
            callback=self._maybe(lambda: Callback("carrier")),
        )

    def _target(self) -> Target:
        return Target(self.random.choice(list(TargetKind)), self.random.choice(_NAMES))

    def _schedule(self) -> Schedule:
        days = self._some(("mon", "wed", "sun", "workday", "holiday"), 2)
        hours = Hours(tuple(days), self.random.randrange(1440), self.random.randint(1, 1440))
        first = date(2026, 10, self.random.randint(1, 31))
        special = SpecialDays("special", first, first + timedelta(days=3), ((540, 1080),))
        zone = self.random.choice(["Asia/Shanghai", "Europe/Paris"])
        return Schedule("hours", zone, (hours,), tuple(self._some([special], 1)))

    def _maybe_schedule(self) -> Schedule | None:
        return self._maybe(lambda: self.random.choice(self.schedules))

    def _list(self, name: str) -> CallerList:
        ranges = [("+8613901710000", "+8613901719999")]
        return CallerList(
            name,
            self.random.choice(list(ListMode)),
            numbers=frozenset(self._some(("+861062000001", "95588"), 1)),
            prefixes=tuple(self._some(_PREFIXES, 1)),
            ranges=tuple(self._some(ranges, 1)),
            areas=tuple(self._some(_CODES, 1)),
            is_for_unknown=self.random.random() < 0.3,
            announcement=self._maybe(lambda: "callctl/refused"),
        )

    def _line(self, name: str) -> Line:
        return replace(
            samples.line(name, *(self._maybe(lambda: self._some(_CODES, 2)) or ())),
            number=PhoneNumber.parse(self.random.choice(_CALLERS[1:4])),
            is_on=self.random.random() < 0.8,
            schedule=self._maybe_schedule(),
            capacity=self._maybe(lambda: self.random.randint(1, 2)),
        )

    def _state(self) -> LineState:
        later, earlier = samples.NOON + timedelta(days=9), samples.NOON - timedelta(hours=1)
        return LineState(
            self.random.randrange(3),
            self.random.randrange(5),
            self._maybe(lambda: earlier),
            rested_until=self._maybe(lambda: later),
        )

    def _group(self, name: str, lines: dict[str, Line]) -> Group:
        members = [
            Member(lines[one], self.random.randint(1, 2), self.random.randrange(3))
            for one in self._some(LINES, 4)
        ]
        return Group(
            name,
            self.random.choice(list(Strategy)),
            tuple(members),
            extension=self.random.choice([None, "8", "80", "8001"]),
            queue=self._maybe(self._queue),
            otherwise=self._maybe(self._target),
        )

    def _queue(self) -> Queue:
        keys = {key: self._target() for key in self._some(_KEYS, 4)}
        overflow = self._maybe(self._target)
        return Queue(self.random.randint(1, 3), 300, "prompt", None, overflow=overflow, keys=keys)

    def _menu(self, name: str) -> Menu:
        return Menu(
            name,
            "prompt",
            {key: self._key() for key in self._some(_KEYS, 8)},
            dials_extensions=self.random.random() < 0.5,
            tries_max=self.random.randint(1, 3),
            no_key=self._maybe(self._target),
            wrong_key=self._maybe(self._target),
        )

    def _key(self) -> MenuKey:
        return MenuKey(self._target(), self._maybe_schedule(), self._maybe(self._target))

    def _message(self, name: str) -> Message:
        return Message(name, "prompt", self.random.random() < 0.5, self._maybe(self._target))

    def _route(self, position: int) -> Route:
        return Route(
            f"r{position}",
            self._target(),
            areas=tuple(self._maybe(lambda: self._some(_CODES, 2)) or ()),
            prefixes=tuple(self._maybe(lambda: self._some(_PREFIXES, 2)) or ()),
            while_open=self._maybe_schedule(),
            while_closed=self._maybe_schedule(),
            caller_list=self._maybe(lambda: self.random.choice(self.lists)),
            percentage=self._maybe(lambda: self.random.randint(0, 100)),
            is_vip_only=self.random.random() < 0.3,
        )


pressed = st.lists(st.sampled_from([*_KEYS, "-", "", "8001", "80", "12", "x"]), max_size=8)
busy_lines = st.lists(st.sampled_from(LINES), max_size=6)
