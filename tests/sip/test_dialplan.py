"""The hooks of a site on real calls: the example files, loaded by an Asterisk of this module's."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest

from callctl import clock
from callctl.ami import AmiSession, open_session
from callctl.cli.check_dialplan import check_dialplan, read_dialplan
from callctl.cli.extension_pattern import matches
from callctl.cli.findings import Status
from callctl.errors import HungUp
from callctl.stack.asterisk import Asterisk
from tests.agents import Answers
from tests.demo.calls import HOTLINE
from tests.demo.world import World, eventually
from tests.plugins.asterisk import ROOT, place

_PATTERNS = ("_.", "_!", "_[A-Za-z]", "_X.", "_[A-Za-z].", "_[T]", "_e", "_[tx]", "_-.")


@pytest.fixture(scope="module")
async def asterisk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Asterisk]:
    """As the session's, with the examples of hooks in dialplan/site."""
    root = tmp_path_factory.mktemp("root")
    root.parent.chmod(0o755)
    for copied in ("asterisk-conf", "dialplan"):
        shutil.copytree(ROOT / copied, root / copied)
    shutil.copytree(ROOT / "dialplan" / "examples", root / "dialplan" / "site")
    (root / "var").mkdir()
    shutil.copy(ROOT / "var" / "container-command", root / "var")
    with place() as (folder, ports):
        async with Asterisk(folder, ports, root=root, name=folder.name) as running:
            yield running


@pytest.fixture
async def ami(asterisk: Asterisk) -> AsyncIterator[AmiSession]:
    """A session whose changes to the dialplan are gone afterwards."""
    login = (asterisk.ami_host, asterisk.ami_port, asterisk.ami_user, asterisk.ami_password)
    async with open_session(*login) as session:
        yield session
        await asterisk.cli("dialplan reload")


async def _add(ami: AmiSession, context: str, extension: str, *steps: tuple[str, str]) -> None:
    for priority, (application, data) in enumerate(steps, start=1):
        await ami.action(
            "DialplanExtensionAdd",
            Context=context,
            Extension=extension,
            Priority=str(priority),
            Application=application,
            ApplicationData=data,
            Replace="yes",
        )


def _logged(asterisk: Asterisk, words: str) -> Callable[[], Awaitable[bool | None]]:
    async def look() -> bool | None:
        return True if words in asterisk.log_text() else None

    return look


async def test_hook_before_refuses_a_call(world: World, asterisk: Asterisk) -> None:
    """A caller whom the site refuses never reaches callctl; the hook after runs all the same."""
    call = await world.call("4007654321", "13900001234")
    outcome = await call.ended()

    assert (outcome.status, outcome.cause) == (403, 21)
    assert world.carrier.calls_to(HOTLINE[0]) == []
    ended = "to 4007654321 ended with cause 21"
    await eventually(_logged(asterisk, ended), "the hook after", 5.0)
    assert await world.views.live_calls() == []


async def test_hooks_mark_a_call_and_hear_of_its_end(world: World, asterisk: Asterisk) -> None:
    """The line is shown the name that the site gave; the end is told with the id of the CDR."""
    world.carrier.line(HOTLINE[0], Answers(voice_hz=440))
    call = await world.call("4007654321", "13900011234")
    await call.answered()
    rung = await world.carrier.called(HOTLINE[0])
    await call.hang_up()

    assert '"hotline"' in (rung.invite.get_header("From") or "")
    cdr = await world.cdr(call)
    ended = f"call {cdr.call_id} to 4007654321 ended with cause 16"
    await eventually(_logged(asterisk, ended), "the hook after", 5.0)
    await world.nothing_left()


async def test_stuck_hook_is_ended_by_the_first_limit(
    asterisk: Asterisk, world: World, ami: AmiSession
) -> None:
    """The limit is there before the hook: one that never returns costs its call, no more."""
    await asterisk.cli("dialplan set global FIRST_SECONDS 1")
    await _add(ami, "callctl-before", "s", ("Wait", "60"))
    begun = clock.monotonic()

    outcome = await (await world.call("4007654321", "13900011234")).ended()

    assert outcome.status >= 400
    assert 0.5 < clock.monotonic() - begun < 5
    assert world.carrier.calls_to(HOTLINE[0]) == []


async def test_doctor_likes_the_examples(ami: AmiSession) -> None:
    """The dialplan that is shipped has nothing wrong, its examples of hooks included."""
    findings = check_dialplan(read_dialplan((await ami.action("ShowDialPlan")).events), "callctl")

    assert [finding for finding in findings if finding.status is not Status.OK] == []
    assert {"hook callctl-before", "hook callctl-after"} <= {one.name for one in findings}


async def test_patterns_take_off_the_limit_as_doctor_says(ami: AmiSession, world: World) -> None:
    """A pattern that matches T or e lets a call outlive its limit; others do not."""
    outlives = {}
    for number, pattern in enumerate(_PATTERNS):
        context = f"limits-{number}"
        await _add(ami, context, "100", ("Set", "TIMEOUT(absolute)=1"), ("Wait", "30"))
        await _add(ami, context, pattern, ("Wait", "30"))
        await world.ari.channels.originate(
            f"Local/100@{context}",
            channel_id=f"{'0' * 31}{number}",
            context="callctl-away",
            extension="s",
        )
        outlives[context] = any(matches(pattern, letter) for letter in "Te")

    async def look() -> bool | None:
        """Each call is gone, or goes on in the extension that was found."""
        far = [one for one in await world.ari.channels.list() if one.name.endswith(";2")]
        left = {one.name.partition("@")[2].rpartition("-")[0]: one.dialplan.exten for one in far}
        is_settled = set(left.values()) <= {"T", "e"}
        return True if is_settled and set(left) == {c for c in outlives if outlives[c]} else None

    try:
        await eventually(look, f"{outlives} to be true", 6.0)
    finally:
        for channel in await world.ari.channels.list():
            with suppress(HungUp):
                await world.ari.channels.hangup(channel.id)
    await world.nothing_left()
