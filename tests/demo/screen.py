"""How the demo is seen: sentences as they become true, on a terminal with the live calls below.

Without a terminal (a CI log) it is plain lines: what happened, and the money at most each second
when it changed. Used by tests/demo/__main__.py.
"""

import contextlib
from collections.abc import Iterator

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.status import Status
from rich.text import Text

from callctl import clock
from callctl.cli import show
from callctl.values.money import format_micros
from callctl.views import Account
from tests.demo.story import Event, Scene

_COLUMNS = ("stage", "did", "caller", "area", "line", ">seconds", ">paid s", ">cost")
_MONEY_LINES_SECONDS = 2.0
_INDENT = 4
_WHO_WIDTH = 17  # "line headquarters"


class Screen:
    """The demo's output; every line goes through here."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self._is_terminal = self.console.is_terminal
        self.console.soft_wrap = not self._is_terminal  # a log has no width
        self._status: Status | None = None
        self._money_said = ""
        self._money_said_at = 0.0

    def say(self, line: str = "", style: str = "") -> None:
        """Print one line; hostile text in it is shown, not obeyed."""
        self.console.print(Text(show.clean(line), style=style))

    def say_block(self, text: str, indent: int = _INDENT) -> None:
        """Print several lines, indented."""
        for line in text.splitlines():
            self.say(" " * indent + line)

    def step(self, line: str) -> None:
        """Progress of the stack: what is being done turns on a terminal, what is done stays."""
        if not line.endswith("..."):
            self.say(f"  {line}")
        elif self._status is not None:
            self._status.update(Text(line))

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """While the stack starts or stops."""
        if not self._is_terminal:
            yield
            return
        with self.console.status("") as self._status:
            yield
        self._status = None

    @contextlib.contextmanager
    def live(self) -> Iterator[Live | None]:
        """While a scenario goes: the place below the lines where this moment is drawn."""
        if not self._is_terminal:
            yield None
            return
        with Live(console=self.console, auto_refresh=False, transient=True) as live:
            yield live

    def tell(self, events: list[Event], scene: Scene, live: Live | None) -> None:
        """Show what is new, and how it is now."""
        for event in events:
            self.say(f"{event.seconds:7.1f} s  {event.who:{_WHO_WIDTH}}  {event.what}")
        if live is not None:
            live.update(_picture(scene), refresh=True)
        elif scene.live:
            self._say_money(scene)

    def _say_money(self, scene: Scene) -> None:
        """One line a moment, when balance, cost or hold changed."""
        cost = sum(call.cost_micros for call in scene.live)
        words = [f"{len(scene.live)} live, cost so far {format_micros(cost)}"]
        line = "; ".join(words + [_money(account) for account in scene.accounts])
        now = clock.monotonic()
        if line != self._money_said and now - self._money_said_at >= _MONEY_LINES_SECONDS:
            self._money_said, self._money_said_at = line, now
            self.say(f"{'':11}{line}", style="dim")


def _picture(scene: Scene) -> Padding:
    rows = [
        (
            *(call.stage, call.did, call.caller or "unknown", call.area, call.line),
            *(call.seconds, min((c.paid_seconds for c in call.charges), default=None), call.cost),
        )
        for call in scene.live
    ]
    money = [Text(_money(account), style="bold") for account in scene.accounts]
    table = [show.make_table(_COLUMNS, rows)] if rows else []
    return Padding(Group(*table, *money), (0, 0, 0, _INDENT))


def _money(account: Account) -> str:
    amounts = (
        f"balance {format_micros(account.balance_micros)}",
        f"held {format_micros(account.held_micros)}",
        f"available {format_micros(account.available_micros)} {account.currency}",
    )
    return f"{account.tenant or account.name}: {', '.join(amounts)}"
