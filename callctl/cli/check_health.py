"""Doctor's look at the switch itself: what it says of its own health."""

import aiohttp

from callctl.cli.findings import Finding, Status, fail, ok, warn
from callctl.settings import Settings

_NAME = "health"
_SECONDS_MAX = 3.0


async def check_health(settings: Settings, findings: list[Finding]) -> list[Finding]:
    """Whether the switch takes calls; nothing when the `findings` say that there is none."""
    if not any(one.name == "switch" and one.status is Status.OK for one in findings):
        return []
    url = f"http://{settings.metrics_host}:{settings.metrics_port}/health/ready"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(_SECONDS_MAX)) as session,
            session.get(url) as answer,
        ):
            ills = (await answer.json())["why_not"]
    except (aiohttp.ClientError, OSError, ValueError, KeyError) as error:
        remedy = "set CALLCTL_METRICS_HOST and _PORT as the switch has them, and see its log"
        return [warn(_NAME, f"{url}: {error or type(error).__name__}", remedy)]
    if ills:
        what = "; ".join(map(str, ills))
        return [fail(_NAME, what, "see the switch's log, and docs/operations.md on health")]
    return [ok(_NAME, "ready for calls")]
