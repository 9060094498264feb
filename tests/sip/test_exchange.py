"""The exchange on the real Asterisk, in this process: bounds, and calls that go wrong inside."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from callctl import clock
from callctl.app.services import open_services
from callctl.ari.client import AriClient, AriSettings
from callctl.charging import SlicePolicy
from callctl.db.pool import Database
from callctl.directory.areas import shipped_table
from callctl.exchange import Exchange
from callctl.exchange.gate import VARIABLE
from callctl.flows.desk import Desk
from callctl.settings import Settings
from callctl.stack.asterisk import Asterisk
from callctl.values.area import Area
from callctl.values.phone_number import PhoneNumber
from tests.agents import Answers, Caller, Carrier
from tests.demo.calls import HOTLINE
from tests.demo.world import World, eventually

Opened = Callable[..., Coroutine[Any, Any, World]]


@asynccontextmanager
async def _exchange(asterisk: Asterisk, desk: Desk, calls_max: int) -> AsyncIterator[AriClient]:
    connected = asyncio.Event()
    async with AriClient(
        AriSettings(asterisk.ari_url, asterisk.ari_user, asterisk.ari_password),
        on_event=lambda event: exchange.on_event(event),  # noqa: PLW0108 - it is made below
        on_connected=lambda _: connected.set(),
    ) as ari:
        exchange = Exchange(ari, desk, calls_max=calls_max)
        reading = asyncio.create_task(ari.run())
        async with asyncio.timeout(10):
            await connected.wait()
        yield ari
        await exchange.drain(5)
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading


@pytest.fixture
async def opened(
    asterisk: Asterisk, provisioned: Database, database_url: str, tmp_path: Path
) -> AsyncIterator[Opened]:
    """Opens an exchange with a changed desk, and people at telephones around it."""
    settings = Settings(sounds_dir=tmp_path, recordings_dir=asterisk.recordings_path)
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(
            open_services(settings, database_url, provisioned, None)
        )
        desk = services.desk

        async def open_world(calls_max: int = 100, **changes: Any) -> World:
            changed = replace(desk, **changes)
            ari = await stack.enter_async_context(_exchange(asterisk, changed, calls_max))
            carrier = await stack.enter_async_context(Carrier(asterisk.ports.carrier))
            caller = await stack.enter_async_context(Caller(voice_hz=700))
            return World(asterisk.ports.sip, carrier, caller, provisioned, ari)

        yield open_world


def _poisonous(number: PhoneNumber) -> Area:
    """Areas that can't bear one caller."""
    if number.text.endswith("666"):
        raise ZeroDivisionError("poison")
    return shipped_table().area_of(number)


async def test_a_call_whose_flow_raises_ends_alone(opened: Opened) -> None:
    """It is refused, has a CDR that says so, and its neighbour talks on."""
    world = await opened(area_of=_poisonous)
    world.carrier.line(HOTLINE[0], Answers(voice_hz=440))
    good = await world.call("4007654321", "01062001234")
    await good.answered()
    bad = await world.call("4007654321", "01062001666")
    outcome = await bad.ended()

    assert outcome.status == 503
    cdr = await world.cdr(bad)
    assert (cdr.disposition, cdr.ended_by) == ("failed", "internal_error")
    await good.hears(440)
    await good.hang_up()
    await world.nothing_left()


async def test_more_calls_than_the_bound_are_refused(opened: Opened) -> None:
    """calls_max is enforced: one more call is refused at once, those up are unharmed."""
    world = await opened(calls_max=2)
    world.carrier.line(HOTLINE[0], Answers(voice_hz=440))
    calls = [await world.call("4007654321", "01062001234") for _ in range(2)]
    for call in calls:
        await call.answered()
    refused = await world.call("4007654321", "01062001234")

    assert (await refused.ended()).status == 503
    assert (await world.cdr(refused)).ended_by == "overloaded"
    for call in calls:
        await call.hears(440)
        await call.hang_up()
    await world.nothing_left()


@pytest.mark.parametrize(("ahead_seconds", "status"), [(2, 503), (-1, 200), (3600, 200)])
async def test_the_dialplan_refuses_for_seconds_only(
    opened: Opened, ahead_seconds: int, status: int
) -> None:
    """While it is told so, by a time that is soon: not one that is past, nor far ahead."""
    world = await opened()
    world.carrier.line(HOTLINE[0], Answers(voice_hz=440))
    until = str(int(clock.now().timestamp()) + ahead_seconds)
    await world.ari.dialplan.set_global_var(VARIABLE, until)
    call = await world.call("4007654321", "01062001234")
    if status == 200:
        await call.answered()
        await call.hang_up()
    else:
        assert (await call.ended()).status == status
        cdr = await world.cdr(call)
        assert (cdr.ended_by, cdr.did, cdr.hangup_cause) == ("overloaded", "4007654321", 42)
    await world.ari.dialplan.set_global_var(VARIABLE, "0")
    await world.nothing_left()


async def test_a_long_talk_is_renewed_and_its_timers_follow(opened: Opened) -> None:
    """A talk longer than a slice goes on, debited as it goes, its timers set after the money."""
    world = await opened(policy=SlicePolicy(2, 0.5))
    world.carrier.line("02062000021", Answers(voice_hz=440))
    call = await world.call("4009999999", "01062001234")
    await call.hears(440, seconds=10)
    await call.hears(440, seconds=10, lasting=5.0)
    posted = [
        entry
        for entry in await world.views.statement("tenant:shortcash", 50)
        if entry.kind == "renew"
    ]
    assert len(posted) >= 2, "debited while it talks"
    channels = await world.ari.channels.list()
    for channel in channels:
        left = await world.ari.channels.get_channel_var(channel.id, "TIMEOUT(absolute)")
        assert left is not None
        assert 0 < float(left) <= 3.0, "a slice, and the half that was left"
    await call.hang_up()
    cdr = await world.cdr(call)
    assert cdr.cost_micros == cdr.legs[0].billed_seconds * 5_000
    await world.nothing_left()


async def test_a_timer_that_does_not_run_is_set_again(opened: Opened) -> None:
    """Asterisk takes nonsense for "no limit" (R3): a timer found missing is set."""
    world = await opened()
    world.carrier.line(HOTLINE[0], Answers(voice_hz=440))
    call = await world.call("4007654321", "01062001234")
    await call.answered()

    async def timers() -> list[float]:
        channels = await world.ari.channels.list()
        return [await world.ari.channels.get_timeout_absolute(one.id) for one in channels]

    async def all_run() -> bool | None:
        lefts = await timers()
        return True if len(lefts) == 2 and all(130 < left <= 150 for left in lefts) else None

    await eventually(all_run, "both timers to be set to the paid time", 2)
    for channel in await world.ari.channels.list():
        await world.ari.channels._act(
            channel.id, "variable", {"variable": "TIMEOUT(absolute)", "value": "0"}
        )
    assert await timers() == [0.0, 0.0]
    await eventually(all_run, "both timers to be set again", 5)
    await call.hang_up()
    await world.nothing_left()
