"""What Asterisk says of itself and of our application, and the models made from its description."""

import asyncio
import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from callctl.ari.client import WANTED_EVENTS, AriClient, AriSettings
from callctl.ari.models import EVENTS, ChannelUserevent
from callctl.errors import AriRefused, AriUnavailable
from callctl.stack.asterisk import Asterisk

from .conftest import Inbox

ROOT = Path(__file__).resolve().parents[2]
GENERATOR = ROOT / "deploy" / "asterisk" / "generate_ari_models.py"


def test_models_are_those_of_the_asterisk_in_use(asterisk: Asterisk, tmp_path: Path) -> None:
    """Generating the models from the running image gives the committed file, byte for byte."""
    engine = (ROOT / "var" / "container-command").read_text().split()[0]
    archive = subprocess.run(
        [engine, "exec", asterisk.container, "tar", "-cC", "/usr/share/asterisk/rest-api", "."],
        check=True,
        capture_output=True,
        timeout=30,
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:  # Debian 12's Python has no extraction filter yet
            content = tar.extractfile(member)
            if content is not None:
                path = tmp_path / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.read())
    made = subprocess.run(
        [sys.executable, str(GENERATOR), str(tmp_path)], check=True, capture_output=True, timeout=30
    ).stdout
    assert made.decode() == (ROOT / "callctl" / "ari" / "models.py").read_text()


async def test_info_ping_and_modules(ari: AriClient) -> None:
    """The doctor's questions have answers."""
    info = await ari.asterisk.info()
    assert info.system is not None
    assert info.system.version.startswith("22.")
    assert info.status is not None
    assert info.status.startup_time.tzinfo is not None
    assert (await ari.asterisk.ping()).ping == "pong"
    assert "res_ari.so" in {module.name for module in await ari.asterisk.list_modules()}
    assert (await ari.asterisk.get_module("res_ari.so")).status == "Running"


async def test_module_that_is_not_there_is_refused(ari: AriClient) -> None:
    """A missing module is Asterisk's no, with its words."""
    with pytest.raises(AriRefused, match="could not be found"):
        await ari.asterisk.get_module("res_nothing.so")


async def test_filter_is_set_on_connect(ari: AriClient) -> None:
    """Events that nobody wants stay in Asterisk."""
    application = await ari.applications.get()
    assert {entry["type"] for entry in application.events_disallowed} == (
        EVENTS.keys() - WANTED_EVENTS
    )


async def test_canary_comes_back(ari: AriClient, inbox: Inbox) -> None:
    """A user event goes round through Asterisk, with what it carries."""
    await ari.events.user_event("canary", variables={"beat": "7"})
    canary = await inbox.take(ChannelUserevent)
    assert canary.eventname == "canary"
    assert canary.userevent["beat"] == "7"


async def test_wrong_password_is_refused_at_once(asterisk: Asterisk) -> None:
    """A mistake in the settings ends the first connection with a remedy, not in endless retries."""
    client = AriClient(AriSettings(asterisk.ari_url, asterisk.ari_user, "wrong"))
    async with client, asyncio.timeout(10):
        with pytest.raises(AriRefused, match="CALLCTL_ARI_PASSWORD"):
            await client.run()
        with pytest.raises(AriRefused):
            await client.asterisk.ping()


async def test_command_without_an_asterisk_is_unavailable(asterisk: Asterisk) -> None:
    """Nobody listens there: the command may be sent again."""
    nobody = AriSettings(f"http://127.0.0.1:{asterisk.ports.agi}", "callctl", "x")
    async with AriClient(nobody) as client:
        with pytest.raises(AriUnavailable) as error:
            await client.asterisk.ping()
    assert error.value.retryable
