"""The API's routes; wired into the web process by app.web."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from callctl import clock
from callctl.api.answers import (
    AccountAnswer,
    CdrAnswer,
    EntryAnswer,
    HealthAnswer,
    LiveCallAnswer,
)
from callctl.api.problems import Problem
from callctl.views import CdrFilter, Views

_Number = Annotated[str | None, Query(max_length=40)]
_Limit = Annotated[int, Query(ge=1, le=1000)]
_Moment = Annotated[AwareDatetime | None, Query(description="ISO 8601 with its zone.")]


def build(views: Views) -> APIRouter:
    """Return the router of /health and /v1/...; it only reads."""
    router = APIRouter(responses={503: {"model": Problem}})
    unknown: dict[int | str, dict[str, Any]] = {404: {"model": Problem}}

    @router.get("/health")
    async def health() -> HealthAnswer:
        """Whether the web process reads the database."""
        return HealthAnswer(status="ok", schema_version=await views.schema_version())

    @router.get("/v1/calls")
    async def calls() -> list[LiveCallAnswer]:
        """Every call of this moment, the longest first."""
        live = await views.live_calls()
        now = clock.now()
        return [LiveCallAnswer.of(call, now) for call in live]

    @router.get("/v1/cdrs")
    async def cdrs(
        did: _Number = None,
        caller: _Number = None,
        tenant: Annotated[str | None, Query(max_length=63)] = None,
        since: datetime | None = None,
        limit: _Limit = 50,
    ) -> list[CdrAnswer]:
        """The latest ended calls that match, newest first."""
        wanted = CdrFilter(did=did, caller=caller, tenant=tenant, since=since, limit=limit)
        return [CdrAnswer.model_validate(cdr) for cdr in await views.cdrs(wanted)]

    @router.get("/v1/accounts")
    async def accounts() -> list[AccountAnswer]:
        """Every account of the ledger."""
        return [AccountAnswer.model_validate(account) for account in await views.accounts()]

    @router.get("/v1/accounts/{name}", responses=unknown)
    async def account(name: str, at: _Moment = None) -> AccountAnswer:
        """One account, by its own name or its tenant's, now or as it was."""
        return AccountAnswer.model_validate(await views.account(name, at))

    @router.get("/v1/accounts/{name}/statement", responses=unknown)
    async def statement(name: str, limit: _Limit = 50, at: _Moment = None) -> list[EntryAnswer]:
        """The account's latest entries, or those up to a moment, the oldest of them first."""
        entries = await views.statement(name, limit, at)
        return [EntryAnswer.model_validate(entry) for entry in entries]

    return router
