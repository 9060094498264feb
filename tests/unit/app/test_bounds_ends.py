"""How the switch and the web process end: in time, and without touching what is another's."""

import asyncio
import signal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from callctl import clock
from callctl.app import switch, web
from callctl.ari.client import AriClient, AriSettings
from callctl.calls import Call
from callctl.cdr import Cdr
from callctl.errors import AriRefused, AriReplaced, CallctlError, Superseded
from callctl.exchange import exchange as exchange_module
from callctl.exchange.recovery import Abandoned
from callctl.values.ids import new_id
from tests.unit.asterisk_double import CALLER, AsteriskDouble

_SOON = 0.05


class Waiting:
    """Stands for works that need PostgreSQL: they go on until they are cancelled."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    async def run(self) -> None:
        """See Outbound and Commands."""
        await asyncio.Event().wait()


class Site:
    """A switch with an Asterisk in memory; its lease, or its events, fail when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asterisk, self.cdrs = AsteriskDouble(), list[Cdr]()
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()
        self.fails, self.stop = asyncio.Event(), asyncio.Event()
        self.lease_error: CallctlError | None = None
        self.ari_error: CallctlError | None = None
        self.is_deaf = False  # calls do not hear that their callers go, before `go_on`
        site = self

        class Ari(AriClient):
            """The client, whose socket is the double."""

            def __init__(self, settings: AriSettings, *, on_event: Any, **_: object) -> None:
                super().__init__(settings, on_event=on_event, transport=site.asterisk)
                site.asterisk.hear = on_event

            async def run(self) -> None:
                site.asterisk.arrive(CALLER, new_id())
                await site.fail(site.ari_error)

        async def read_abandoned(*_: object) -> Abandoned:
            return Abandoned([], [])

        monkeypatch.setattr(switch, "AriClient", Ari)
        monkeypatch.setattr(switch, "read_abandoned", read_abandoned)
        monkeypatch.setattr(switch, "Outbound", Waiting)
        monkeypatch.setattr(switch, "Commands", Waiting)
        monkeypatch.setitem(exchange_module._SCRIPTS, "inbound", self.script)

    async def fail(self, error: CallctlError | None) -> None:
        await self.fails.wait()
        if error is None:
            await asyncio.Event().wait()
        else:
            raise error

    async def script(self, call: Call, *_: object) -> None:
        self.begun.set()
        if self.is_deaf:
            await self.go_on.wait()
        await call.until(lambda: call.a_leg.is_gone, 60)

    async def write(self, cdr: Cdr) -> None:
        self.cdrs.append(cdr)

    async def serve(self) -> None:
        """What run_switch does once it owns its Asterisk; a caller comes at once."""
        settings = SimpleNamespace(
            ari_url="http://127.0.0.1:1",
            ari_user="u",
            ari_password="p",
            ari_app="callctl",
            calls_max=10,
            legs_path=None,
        )
        desk = SimpleNamespace(directory=lambda: SimpleNamespace(revision_id=1, dids={}))
        services = SimpleNamespace(
            database=None,
            dsn="",
            desk=desk,
            beside=dict,
            spool=SimpleNamespace(write=self.write),
        )
        lease = SimpleNamespace(keep=lambda _: self.fail(self.lease_error))
        metrics = SimpleNamespace(
            call_ended=lambda _: None, condition=SimpleNamespace(parts=None, lease=lease)
        )
        stop = SimpleNamespace(wish=self.stop, hands_over=False, drained=self.stop.set)
        owner = SimpleNamespace(asterisk="pbx-1")
        given: Any = (settings, services, owner, stop, metrics)
        async with asyncio.timeout(5):
            await switch._serve(*given)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    """A switch to be run."""
    return Site(monkeypatch)


@pytest.mark.parametrize("error", [Superseded(), AriReplaced("taken over")])
async def test_who_is_replaced_leaves_the_calls_to_the_other_one(
    site: Site, error: CallctlError
) -> None:
    """By the lease or by Asterisk: no call gets a command, nor a CDR, any more."""
    is_lease = isinstance(error, Superseded)
    site.lease_error, site.ari_error = (error, None) if is_lease else (None, error)
    serving = asyncio.create_task(site.serve())
    await site.begun.wait()
    before = list(site.asterisk.sent)
    site.fails.set()
    with pytest.raises(type(error)):
        await serving
    assert site.asterisk.sent == before
    assert list(site.asterisk.channels) == [CALLER]
    assert not site.cdrs


async def test_who_fails_otherwise_ends_his_calls(site: Site) -> None:
    """Nobody else has them: they are hung up, and have their CDRs."""
    site.lease_error = AriRefused("no")
    serving = asyncio.create_task(site.serve())
    await site.begun.wait()
    site.fails.set()
    with pytest.raises(AriRefused):
        await serving
    assert not site.asterisk.channels
    assert [cdr.ended_by for cdr in site.cdrs] == ["shutdown"]


async def test_a_call_that_does_not_end_does_not_keep_the_switch(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its caller was hung up; what it does then is not waited for when the switch is to end."""
    monkeypatch.setattr(switch, "_DRAIN_SECONDS", _SOON)
    site.is_deaf = True
    serving = asyncio.create_task(site.serve())
    await site.begun.wait()
    site.stop.set()
    await serving
    assert not site.asterisk.channels
    assert not site.cdrs
    site.go_on.set()
    async with asyncio.timeout(5):
        while not site.cdrs:
            await clock.sleep(0.001)


async def test_a_request_that_does_not_end_does_not_keep_the_web_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever asks, and whatever for: it is cut off, and the process ends."""
    monkeypatch.setattr(web, "_STOP_SECONDS_MAX", _SOON)
    is_asked = asyncio.Event()

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        is_asked.set()
        await asyncio.Event().wait()

    server = web._Server(_web_config(app))
    serving = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(5):
            await server.listens.wait()
            port = server.servers[0].sockets[0].getsockname()[1]
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /v1/calls HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await is_asked.wait()
            server.should_exit = True
            await serving
        writer.close()
    finally:
        serving.cancel()
        for one in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(one)


def test_so_many_requests_are_answered_at_a_time_and_no_more() -> None:
    """More are refused at once (503), whatever a script of somebody's does."""
    assert _web_config(cast(Any, None)).limit_concurrency == 500


def _web_config(app: Any) -> Any:
    settings: Any = SimpleNamespace(api_host="127.0.0.1", api_port=0)
    return web._config(settings, app)
