"""Doctor's round: each part looked at in turn, one that can't be reached is a finding too."""

from collections.abc import Awaitable, Callable

from callctl.ami import open_session
from callctl.cli.check_asterisk import check_ari, check_asterisk
from callctl.cli.check_audio import check_audio
from callctl.cli.check_health import check_health
from callctl.cli.check_site import check_areas, check_database, check_settings
from callctl.cli.findings import Finding, Status, fail
from callctl.cli.session import open_database
from callctl.errors import CallctlError
from callctl.settings import Settings
from callctl.views import Views


async def examine(settings: Settings) -> list[Finding]:
    """Look at everything that `settings` name; never raises a CallctlError."""
    trunks: list[str] = []

    async def database() -> list[Finding]:
        async with open_database(settings) as opened:
            views = Views(opened)
            findings = await check_database(views)
            if all(finding.status is Status.OK for finding in findings):
                trunks.extend(await views.trunks())
            return findings

    async def asterisk() -> list[Finding]:
        async with open_session(
            settings.ami_host, settings.ami_port, settings.ami_user, settings.ami_password
        ) as ami:
            return await check_asterisk(ami, settings, trunks)

    findings = check_settings(settings)
    findings.append(check_areas())
    findings += check_audio(settings)
    findings += await _reached("database", database, "start it, or set CALLCTL_DATABASE_URL")
    findings += await check_ari(settings)
    findings += await check_health(settings, findings)
    remedy = "start Asterisk (callctl run); CALLCTL_AMI_* must be as in manager.conf"
    findings += await _reached("AMI", asterisk, remedy)
    return findings


async def _reached(
    name: str, look: Callable[[], Awaitable[list[Finding]]], remedy: str
) -> list[Finding]:
    try:
        return await look()
    except CallctlError as error:
        return [fail(name, str(error), remedy)]
