"""The configuration in asterisk-conf/ and dialplan/, as Asterisk itself sees it once started."""

import re
from collections import defaultdict

import psutil

from callctl.stack.asterisk import Asterisk
from tests.agents import Answers, Caller, Carrier
from tests.plugins.asterisk import ROOT

DID = "4006001234"
LINE = "01062000001"
CALLER_NUMBER = "13800138000"
# the first tones of asterisk-conf/sounds/callctl/unavailable.wav
UNAVAILABLE_HZ = (1000, 800)
COMPLAINT = re.compile(r".*(?:ERROR|WARNING)\[.*")


async def test_no_error_or_warning_line(asterisk: Asterisk) -> None:
    """Asterisk starts without one complaint about its configuration."""
    start, ready, _ = asterisk.log_text().partition("Asterisk Ready.")
    assert ready
    assert COMPLAINT.findall(start) == []


async def test_every_listed_module_runs(asterisk: Asterisk) -> None:
    """Each module of modules.conf is loaded and running, and nothing else is."""
    text = (ROOT / "asterisk-conf" / "modules.conf").read_text()
    listed = set(re.findall(r"^load = (\S+)", text, re.MULTILINE))
    shown = await asterisk.cli("module show")
    running = set(re.findall(r"^(\S+\.so) .*\bRunning\b", shown, re.MULTILINE))
    assert running == listed


def test_listens_on_loopback_only(asterisk: Asterisk) -> None:
    """SIP, ARI and AMI are bound to 127.0.0.1 and to no other address of the machine."""
    ports = {asterisk.ports.sip, asterisk.ports.ari, asterisk.ports.ami}
    # of the whole machine: an ordinary user may not look into the container's processes
    bound = {
        (connection.laddr.ip, connection.laddr.port)
        for connection in psutil.net_connections(kind="inet")
        if connection.laddr and not connection.raddr and connection.laddr.port in ports
    }
    assert bound == {("127.0.0.1", port) for port in ports}


async def test_runs_as_an_ordinary_user(asterisk: Asterisk) -> None:
    """Asterisk has given up root before it reads the configuration."""
    assert psutil.Process(await asterisk.pid()).uids().effective != 0


async def test_secrets_are_private(asterisk: Asterisk) -> None:
    """No other user of this machine can read the files that hold a password."""
    holders = [
        path
        for path in (asterisk.log_path.parents[1] / "asterisk").rglob("*")
        if path.is_file() and asterisk.ari_password in path.read_text(errors="replace")
    ]
    assert {path.name for path in holders} == {"passwords.json", "ari.conf"}
    assert {path.stat().st_mode & 0o077 for path in holders} == {0}


async def test_http_server_holds_many_connections(asterisk: Asterisk) -> None:
    """The limits that callctl's connection pool needs are in force, not the defaults."""
    shown = await asterisk.cli("http show status")
    assert f"127.0.0.1:{asterisk.ports.ari}" in shown
    text = (ROOT / "asterisk-conf" / "http.conf").read_text()
    assert re.search(r"^sessionlimit = 1000\b", text, re.MULTILINE)
    assert re.search(r"^session_keep_alive = 60000\b", text, re.MULTILINE)


async def test_no_extension_catches_the_timeout(asterisk: Asterisk) -> None:
    """No context has an e or T extension, and every way in sets a time limit before Stasis()."""
    steps: dict[tuple[str, str], list[str]] = defaultdict(list)
    context = extension = ""
    for line in (await asterisk.cli("dialplan show")).splitlines():
        if found := re.match(r"\[ Context '([^']+)'", line):
            context = found[1]
        elif found := re.match(r"\s+(?:'([^']+)' =>)?\s+\d+\. (.*?)\s+\[", line):
            extension = found[1] or extension
            steps[context, extension].append(found[2])
    assert {name for _, name in steps} & {"e", "T"} == set()
    into_callctl = [actions for actions in steps.values() if any("Stasis(" in a for a in actions)]
    assert into_callctl
    for actions in into_callctl:
        assert actions[0] == "Set(TIMEOUT(absolute)=${FIRST_SECONDS})"
        assert not any("TIMEOUT" in action for action in actions[1:])


async def test_fallback_plays_when_callctl_is_away(asterisk: Asterisk) -> None:
    """With no controller the caller hears the announcement, unanswered, and is sent elsewhere."""
    before = len(asterisk.log_text())
    async with Caller(codecs=("alaw",)) as caller:
        call = await caller.call(
            DID, server=("127.0.0.1", asterisk.ports.sip), from_number=CALLER_NUMBER
        )
        for hz in UNAVAILABLE_HZ:
            await call.hears(hz)
        outcome = await call.ended()
    assert (outcome.status, outcome.cause, outcome.talk_seconds) == (503, 34, None)
    complaints = COMPLAINT.findall(asterisk.log_text()[before:])
    assert [line for line in complaints if "app 'callctl'" not in line] == []


async def test_a_number_with_a_plus_is_the_same_number(asterisk: Asterisk) -> None:
    """+86400... reaches the same context as 400... does."""
    async with Caller() as caller:
        call = await caller.call(
            f"+86{DID}", server=("127.0.0.1", asterisk.ports.sip), from_number=CALLER_NUMBER
        )
        await call.hears(UNAVAILABLE_HZ[0])
        await call.hang_up()


async def test_a_line_is_dialled_on_the_trunk(asterisk: Asterisk) -> None:
    """PJSIP/<line>@carrier rings the line's far end, and audio passes both ways."""
    async with (
        Carrier(asterisk.ports.carrier) as carrier,
        Caller(local_ip="127.0.0.2", voice_hz=910) as caller,
    ):
        carrier.line(LINE, Answers(voice_hz=470))
        call = await caller.call(
            LINE, server=("127.0.0.1", asterisk.ports.sip), from_number=CALLER_NUMBER
        )
        await call.answered()
        await call.hears(470)
        received = await carrier.called(LINE)
        await received.hears(910)
        assert received.from_number == CALLER_NUMBER
        outcome = await call.hang_up()
        assert (outcome.status, outcome.cause) == (200, None)
        assert (await received.ended()).ended_by == "them"
