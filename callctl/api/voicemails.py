"""The API's voicemails and missed calls; wired into the web process by app.web. It only reads.

The sound of a voicemail is not here: nothing asks who you are, so only `callctl voicemail export`
hands it out, and notes to whom.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from callctl.api.problems import Problem
from callctl.views import CdrFilter, MissedReason, Views

_Number = Annotated[str | None, Query(max_length=40)]
_Tenant = Annotated[str | None, Query(max_length=63)]
_Limit = Annotated[int, Query(ge=1, le=1000)]


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class MissedCallAnswer(_Answer):
    """A call that no line talked with: `reason` for programs, `why` for people.

    `callback` is null, or the state of what was asked for since; done: the caller was called back.
    """

    call_id: UUID
    did: str
    tenant: str | None
    caller: str
    area: str
    setup_at: datetime
    waited_seconds: float
    stage: str | None
    group_name: str | None
    ended_by: str
    reason: MissedReason
    why: str
    voicemail_id: UUID | None
    voicemail_seconds: float | None
    callback_id: UUID | None
    callback: str | None


class VoicemailAnswer(_Answer):
    """What a caller said into a box; `deleted_at` says that its file is gone."""

    id: UUID
    call_id: UUID
    tenant: str
    did: str
    box: str
    caller: str
    area: str
    recorded_at: datetime
    seconds: float
    email: str | None
    emailed_at: datetime | None
    email_error: str | None
    heard_at: datetime | None
    delete_after: datetime
    deleted_at: datetime | None
    file_name: str


def build(views: Views) -> APIRouter:
    """Return the router of /v1/voicemails and /v1/missed."""
    router = APIRouter(responses={503: {"model": Problem}})

    @router.get("/v1/voicemails")
    async def voicemails(
        did: _Number = None,
        caller: _Number = None,
        tenant: _Tenant = None,
        since: datetime | None = None,
        limit: _Limit = 50,
    ) -> list[VoicemailAnswer]:
        """The latest voicemails that match, newest first."""
        wanted = CdrFilter(did=did, caller=caller, tenant=tenant, since=since, limit=limit)
        return [VoicemailAnswer.model_validate(one) for one in await views.voicemails(wanted)]

    @router.get("/v1/missed")
    async def missed(
        *,
        did: _Number = None,
        caller: _Number = None,
        tenant: _Tenant = None,
        since: datetime | None = None,
        reason: MissedReason | None = None,
        limit: _Limit = 50,
    ) -> list[MissedCallAnswer]:
        """The latest calls that no line talked with, newest first."""
        wanted = CdrFilter(did=did, caller=caller, tenant=tenant, since=since, limit=limit)
        return [MissedCallAnswer.model_validate(one) for one in await views.missed(wanted, reason)]

    return router
