"""Doctor against a real Asterisk and a real database: all well, and one thing wrong at a time."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from callctl.ami import open_session
from callctl.audio.building import shipped_files
from callctl.cli.examination import examine
from callctl.cli.findings import Finding, Status
from callctl.db.pool import Database
from callctl.directory.areas import shipped_table
from callctl.settings import Settings
from callctl.stack.asterisk import Asterisk
from callctl.stack.processes import Child
from tests.plugins.database import free_port


@pytest.fixture
def settings(asterisk: Asterisk, database_url: str, tmp_path: Path) -> Settings:
    """Settings that reach the session's Asterisk and this test's database.

    The shipped prompts, which the session's Asterisk has no speech of, are there in name.
    """
    for file in shipped_files(tmp_path / "sounds", shipped_table().divisions):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return Settings(
        database_url=database_url,
        sounds_dir=tmp_path / "sounds",
        ari_url=asterisk.ari_url,
        ari_user=asterisk.ari_user,
        ari_password=asterisk.ari_password,
        ami_host=asterisk.ami_host,
        ami_port=asterisk.ami_port,
        ami_user=asterisk.ami_user,
        ami_password=asterisk.ami_password,
        metrics_port=asterisk.ports.metrics,
    )


def _with(settings: Settings, **changes: object) -> Settings:
    return settings.model_copy(update=changes)


def _wrong(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings if finding.status is not Status.OK}


@pytest.mark.usefixtures("provisioned", "switch")
async def test_all_is_well_with_our_own_configuration(settings: Settings) -> None:
    """The project's own configuration, a switch and a provisioned tenant leave nothing to say."""
    assert _wrong(await examine(settings)) == {}


async def test_switch_away_and_nothing_provisioned_are_warnings(settings: Settings) -> None:
    """What is merely not there yet does not fail, and each has a remedy."""
    wrong = _wrong(await examine(settings))

    assert {name: finding.status for name, finding in wrong.items()} == {
        "switch": Status.WARN,
        "trunks": Status.WARN,
    }
    assert all(finding.remedy for finding in wrong.values())


async def test_extension_that_takes_off_the_limit_fails(settings: Settings) -> None:
    """An e extension that goes on, in the context of our calls, is found."""
    extension = {"Context": "from-carrier", "Extension": "e"}
    login = (settings.ami_host, settings.ami_port, settings.ami_user, settings.ami_password)
    async with open_session(*login) as ami:
        await ami.action(
            "DialplanExtensionAdd", **extension, Priority="1", Application="Wait", Replace="yes"
        )
        try:
            wrong = _wrong(await examine(settings))
        finally:
            await ami.action("DialplanExtensionRemove", **extension)

    assert wrong["limits hold"].status is Status.FAIL
    assert "[from-carrier]" in wrong["limits hold"].seen


async def test_line_on_a_trunk_that_does_not_exist_fails(
    settings: Settings, provisioned: Database
) -> None:
    """A line's trunk without an endpoint in pjsip.conf is named."""
    await provisioned.execute("UPDATE lines SET trunk = 'nowhere'")

    finding = _wrong(await examine(settings))["trunk nowhere"]

    assert (finding.status, "carrier" in finding.seen) == (Status.FAIL, True)


async def test_database_without_schema_fails(settings: Settings, database: Database) -> None:
    """A database that was never migrated is told apart from one that is away."""
    await database.execute("DROP TABLE schema_migrations")

    assert _wrong(await examine(settings))["schema"].seen.startswith("migration 0 of")


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"ari_password": "wrong"}, "ARI"),
        ({"ami_password": "wrong"}, "AMI"),
        ({"ari_password": ""}, "CALLCTL_ARI_PASSWORD"),
        ({"renew_lead_seconds": 60.0, "slice_seconds": 120}, "paid time"),
        ({"database_url": None}, "database"),
    ],
)
async def test_wrong_setting_fails(
    settings: Settings, changes: dict[str, object], name: str
) -> None:
    """One wrong setting is one finding that fails, with its remedy."""
    finding = _wrong(await examine(_with(settings, **changes)))[name]

    assert finding.status is Status.FAIL
    assert finding.remedy


async def test_nothing_there_is_told_part_by_part(settings: Settings) -> None:
    """With nothing running at all doctor still ends, and names each part."""
    port = free_port()
    nothing = _with(
        settings,
        ari_url=f"http://127.0.0.1:{port}",
        ami_port=port,
        database_url=f"postgresql://127.0.0.1:{port}/x",
    )

    wrong = _wrong(await examine(nothing))

    assert set(wrong) == {"ARI", "AMI", "database"}


async def test_command_tells_by_its_exit_code(settings: Settings, switch: Child) -> None:
    """`callctl doctor --json` exits with 0, and with 1 once something fails."""
    environment = {
        "CALLCTL_DATABASE_URL": settings.database_url or "",
        "CALLCTL_ARI_URL": settings.ari_url,
        "CALLCTL_ARI_PASSWORD": settings.ari_password,
        "CALLCTL_AMI_PORT": str(settings.ami_port),
        "CALLCTL_AMI_PASSWORD": settings.ami_password,
    }
    assert switch.is_running

    well = await _doctor(environment)
    ill = await _doctor(environment | {"CALLCTL_AMI_PASSWORD": "wrong"})

    assert (well[0], ill[0]) == (0, 1)
    assert {"name": "AMI", "status": "fail"}.items() <= ill[1][-1].items()


async def _doctor(environment: dict[str, str]) -> tuple[int, list[dict[str, str]]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "callctl", "doctor", "--json"),
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, json.loads(output)
