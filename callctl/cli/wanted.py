"""Which calls a list shows: the options that `cdr`, `missed`, `voicemail` and `recording` share."""

import re
from datetime import datetime, timedelta
from typing import Annotated

import typer

from callctl import clock
from callctl.errors import InvalidInput
from callctl.views import CdrFilter

DidOption = Annotated[str | None, typer.Option(help="Calls to this number.")]
CallerOption = Annotated[str | None, typer.Option(help="Calls from this number.")]
TenantOption = Annotated[str | None, typer.Option(help="Calls of this tenant.")]
SinceOption = Annotated[str | None, typer.Option(help="2026-10-01T21:00, or 90m, 24h, 7d.")]
LimitOption = Annotated[int, typer.Option(min=1, max=1000, help="The latest so many.")]

_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def wanted_calls(
    *, did: str | None, caller: str | None, tenant: str | None, since: str | None, limit: int
) -> CdrFilter:
    """The filter that these options mean; raises InvalidInput for a `since` that is no time."""
    since_at = parse_since(since, clock.now()) if since else None
    return CdrFilter(did=did, caller=caller, tenant=tenant, since=since_at, limit=limit)


def parse_since(text: str, now: datetime, option: str = "--since") -> datetime:
    """Return the moment that `text` names: so long before `now`, or an ISO date and time here."""
    ago = _AGO.fullmatch(text)
    if ago:
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise InvalidInput(
            f"{option} {text!r} is no time: write 2026-10-01, 2026-10-01T21:00, or 90m, 24h, 7d"
        ) from None
