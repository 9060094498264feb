"""Doctor's look at what is not Asterisk: the database, the data files, the settings."""

from urllib.parse import urlsplit

from callctl.cli.check_asterisk import is_loopback
from callctl.cli.findings import Finding, fail, judge, ok, warn
from callctl.db.migrate import read_migrations
from callctl.directory.areas import AreaTable
from callctl.errors import CallctlError
from callctl.settings import Settings
from callctl.values.phone_number import PhoneNumber
from callctl.views import Views

SERVER_VERSION_MIN = 150_000
_KNOWN_NUMBER, _KNOWN_AREA = "01062000001", "110000"


async def check_database(views: Views) -> list[Finding]:
    """The server's version and our schema; what can't be asked is raised."""
    version = await views.server_version()
    findings = [
        judge(
            "PostgreSQL version",
            f"{version // 10_000}.{version % 10_000}",
            "use PostgreSQL 15 or later",
            good=version >= SERVER_VERSION_MIN,
        )
    ]
    newest = read_migrations()[-1]
    applied = await views.schema_version()
    seen = f"migration {applied} of {newest.number}"
    if applied < newest.number:
        findings.append(fail("schema", seen, "start callctl switch or web: they migrate first"))
    elif applied > newest.number:
        findings.append(fail("schema", seen, "install a callctl at least as new as the database"))
    else:
        findings.append(ok("schema", seen))
    return findings


def check_areas() -> Finding:
    """The table of areas loads and knows Beijing."""
    try:
        table = AreaTable.load()
    except CallctlError as error:
        return fail("areas", str(error), "install callctl again")
    area = table.area_of(PhoneNumber.parse(_KNOWN_NUMBER))
    return judge(
        "areas",
        f"{len(table.segments)} mobile segments from {', '.join(table.made_from)}",
        "the table does not know 010: make it again with deploy/areas/build_areas.py",
        good=area.adcode == _KNOWN_AREA,
    )


def check_settings(settings: Settings) -> list[Finding]:
    """Settings that are valid each by itself and wrong together."""
    lead, piece = settings.renew_lead_seconds, settings.slice_seconds
    findings = [
        judge(
            "paid time",
            f"slices of {piece} s, renewed {lead:g} s before the end or earlier",
            "CALLCTL_RENEW_LEAD_SECONDS must be less than half of CALLCTL_SLICE_SECONDS",
            good=lead < piece / 2,
        )
    ]
    for name, host in (
        ("CALLCTL_ARI_URL", urlsplit(settings.ari_url).hostname or ""),
        ("CALLCTL_AMI_HOST", settings.ami_host),
        ("CALLCTL_API_HOST", settings.api_host),
        ("CALLCTL_AGI_HOST", settings.agi_host),
        ("CALLCTL_METRICS_HOST", settings.metrics_host),
    ):
        if not is_loopback(host):
            remedy = f"set {name} to 127.0.0.1: nothing asks there who you are"
            findings.append(warn(name, f"{host} is not this machine only", remedy))
    if not settings.ari_password:
        remedy = "start callctl run, or set CALLCTL_ARI_PASSWORD as in ari.conf"
        findings.append(fail("CALLCTL_ARI_PASSWORD", "not set", remedy))
    return findings
