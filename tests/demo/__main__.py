"""`make demo`: starts everything, places the demo's calls, shows them and what they left behind.

Exit code 0 only if every call did what it had to; 130 after Ctrl-C. Nothing is left running.
"""

import argparse
import asyncio
import contextlib
import linecache
import signal
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any, Protocol

from callctl import clock, log
from callctl.ari.client import AriClient, AriSettings
from callctl.db.pool import connect
from callctl.directory.fields import show_number
from callctl.directory.reading import read_document
from callctl.errors import CallctlError, StackFailed
from callctl.settings import Settings
from callctl.stack.ports import Ports
from callctl.stack.run import PROJECT_DIR, Stack
from tests.agents import AgentFailure, Caller, Carrier
from tests.demo.calls import DEMO_CALLS
from tests.demo.results import EXAMPLE, apply_example, show_results
from tests.demo.screen import Screen
from tests.demo.story import Story
from tests.demo.world import World

VAR_DIR = PROJECT_DIR / "var" / "demo"
PORT_BASE = 28000
_SCENARIO_SECONDS_MAX = 90.0
_LOOK_SECONDS = 0.1
_LEFTOVER_SECONDS_MAX = 10.0


class Scenario(Protocol):
    """A coroutine function of tests.demo.calls; its docstring's first line is the title."""

    __name__: str
    __code__: CodeType

    def __call__(self, world: World, /) -> Coroutine[Any, Any, None]: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a scenario went: `complaint` is empty when it did what it had to."""

    name: str
    complaint: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; returns the exit code."""
    names = [scenario.__name__ for scenario in DEMO_CALLS]
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description="callctl's demo")
    parser.add_argument("--only", choices=names, metavar="NAME", help=f"one of {', '.join(names)}")
    only = parser.parse_args(arguments).only
    scenarios = [scenario for scenario in DEMO_CALLS if only in (None, scenario.__name__)]
    screen = Screen()
    try:
        return asyncio.run(_until_interrupted(_demo(scenarios, screen)))
    except asyncio.CancelledError:
        screen.say("interrupted; everything that was started is stopped")
        return 130
    except (CallctlError, AgentFailure, OSError, TimeoutError) as error:
        screen.say("the demo failed:", style="red")
        screen.say_block(str(error) or type(error).__name__)
        screen.say(f"logs: {_shown(VAR_DIR / 'log')}")
        return 1


async def _until_interrupted(demo: Coroutine[Any, Any, int]) -> int:
    """Run the demo; the first Ctrl-C (or SIGTERM) cancels it, and what is started is stopped."""
    task = asyncio.ensure_future(demo)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _cancel_once, task)
    return await task


def _cancel_once(task: asyncio.Task[int]) -> None:
    """A second Ctrl-C must not interrupt the stopping: it has deadlines of its own."""
    if not task.cancelling():
        task.cancel()


async def _demo(scenarios: Sequence[Scenario], screen: Screen) -> int:
    stack = Stack(
        "demo",
        Ports.at(PORT_BASE),
        VAR_DIR,
        pg_bin=Settings().pg_bin,
        fresh=True,
        report=screen.step,
    )
    outcomes: list[Outcome] = []
    screen.say("Starting callctl with an Asterisk and a PostgreSQL of its own", style="bold")
    async with contextlib.AsyncExitStack() as opened:
        with screen.working():
            await stack.__aenter__()
        opened.push_async_exit(_stopping(stack, screen))
        screen.say(f"  {EXAMPLE}: {await apply_example(stack.environment)}")
        outcomes += await _guarded(_place(scenarios, stack, screen), stack)
        await show_results(stack.environment, screen)
        screen.say()
    return _conclude(outcomes, screen)


def _stopping(stack: Stack, screen: Screen) -> Callable[..., Coroutine[Any, Any, None]]:
    async def stop(*error: object) -> None:
        with screen.working():
            await stack.__aexit__(*error)

    return stop


async def _guarded(placing: Coroutine[Any, Any, list[Outcome]], stack: Stack) -> list[Outcome]:
    """Place the calls; raises StackFailed as soon as a part of the stack ends by itself."""
    task = asyncio.ensure_future(placing)
    broken = asyncio.ensure_future(stack.wait_until_broken())
    try:
        await asyncio.wait((task, broken), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise StackFailed(broken.result())
        return task.result()
    finally:
        for one in (task, broken):
            one.cancel()
        await asyncio.gather(task, broken, return_exceptions=True)


async def _place(scenarios: Sequence[Scenario], stack: Stack, screen: Screen) -> list[Outcome]:
    """One scenario after the other, each with telephones of its own."""
    line_names = _line_names()
    outcomes = []
    async with worlds(stack) as open_world:
        for number, scenario in enumerate(scenarios, 1):
            screen.say()
            screen.say(f"{number}/{len(scenarios)}  {_sentence(scenario)}", style="bold")
            async with open_world() as world:
                outcomes.append(await _watch(scenario, world, line_names, screen))
            if outcomes[-1].complaint:  # what it left must not be held against the next one
                with contextlib.suppress(AssertionError):
                    await world.nothing_left(_LEFTOVER_SECONDS_MAX)
    return outcomes


@contextlib.asynccontextmanager
async def worlds(stack: Stack) -> AsyncIterator[Callable[[], AbstractAsyncContextManager[World]]]:
    """What makes a World around this stack, with new telephones each time."""
    asterisk = stack.asterisk
    settings = AriSettings(asterisk.ari_url, asterisk.ari_user, asterisk.ari_password)
    database = await connect(stack.database_url, size=2, timeout_seconds=5)

    @contextlib.asynccontextmanager
    async def open_world() -> AsyncIterator[World]:
        async with Carrier(stack.ports.carrier) as carrier, Caller(voice_hz=700) as caller:
            yield World(
                sip_port=stack.ports.sip,
                carrier=carrier,
                caller=caller,
                database=database,
                ari=ari,
                its_switch=stack.switch,
                switch_settings=stack.environment,
            )

    try:
        async with AriClient(settings) as ari:
            yield open_world
    finally:
        await database.close()


async def _watch(
    scenario: Scenario, world: World, line_names: Mapping[str, str], screen: Screen
) -> Outcome:
    """Run a scenario and show what happens until it is over."""
    story = Story(world, line_names)
    task = asyncio.ensure_future(scenario(world))
    deadline = clock.monotonic() + _SCENARIO_SECONDS_MAX
    try:
        with screen.live() as live:
            while not task.done() and clock.monotonic() < deadline:
                screen.tell(await story.look(), story.scene, live)
                await asyncio.wait((task,), timeout=_LOOK_SECONDS)
            screen.tell(await story.look(), story.scene, live)
    finally:
        task.cancel()
        await asyncio.wait((task,))
    if task.cancelled():
        complaint = f"not over after {_SCENARIO_SECONDS_MAX:.0f} s"
    else:
        complaint = _complaint(task.exception(), scenario)
    if complaint:
        screen.say(f"  ✗ {complaint}", style="red")
        screen.say_block(story.evidence(), indent=6)
    else:
        screen.say(f"  ✓ as it has to be, after {story.seconds:.1f} s", style="green")
    return Outcome(scenario.__name__, complaint)


def _complaint(error: BaseException | None, scenario: Scenario) -> str:
    """Why a scenario failed: the assertion's message, or the assertion itself if it has none."""
    if error is None:
        return ""
    if not isinstance(error, (AssertionError, CallctlError, TimeoutError)):
        raise error  # a bug in the demo: that is worth a traceback
    file = scenario.__code__.co_filename
    frames = [one for one in traceback.extract_tb(error.__traceback__) if one.filename == file]
    first, last = frames[-1].lineno or 0, frames[-1].end_lineno or 0
    source = " ".join(linecache.getline(file, number).strip() for number in range(first, last + 1))
    words = str(error).partition("\n")[0] or source
    return f"{words} ({_shown(Path(file))}:{first})"


def _sentence(scenario: Scenario) -> str:
    return (scenario.__doc__ or scenario.__name__).strip().partition("\n")[0]


def _line_names() -> dict[str, str]:
    """The example's line names by the number that is dialled."""
    document = read_document((PROJECT_DIR / EXAMPLE).read_bytes())
    return {
        show_number(line.number): line.name for tenant in document.tenants for line in tenant.lines
    }


def _conclude(outcomes: Sequence[Outcome], screen: Screen) -> int:
    failed = [outcome for outcome in outcomes if outcome.complaint]
    good = len(outcomes) - len(failed)
    screen.say(
        f"{good} of {len(outcomes)} calls did what they had to;"
        " PostgreSQL, Asterisk, switch and web were stopped.",
        style="red" if failed else "green",
    )
    for outcome in failed:
        screen.say(f"  ✗ {outcome.name}: {outcome.complaint}", style="red")
    if failed:
        screen.say(f"logs: {_shown(VAR_DIR / 'log')}")
    return 1 if failed or not outcomes else 0


def _shown(path: Path) -> str:
    return str(path.relative_to(PROJECT_DIR) if path.is_relative_to(PROJECT_DIR) else path)


if __name__ == "__main__":
    log.configure("warning")
    sys.exit(main())
