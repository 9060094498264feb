"""The API's callbacks: asked for by POST, and how they stand; wired into the web by app.web.

A POST needs a JSON body, so no page of somebody else's in a browser here can make a call: see
callctl.api.dids.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from callctl.api.problems import Problem
from callctl.callbacks import Callbacks, CallbackState, ask_for_missed
from callctl.directory.models import Directory
from callctl.errors import NotFound
from callctl.values.area import Area
from callctl.values.phone_number import PhoneNumber


class CallbackWanted(BaseModel):
    """Who shall be called back: the caller of a missed call, by `line` or those he was to reach."""

    model_config = ConfigDict(extra="forbid")

    call_id: UUID
    line: str | None = Field(default=None, max_length=63)
    by: str = Field(default="api", max_length=100)


class HappeningAnswer(BaseModel):
    """Something that has happened to a callback."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime
    what: str


class CallbackAnswer(BaseModel):
    """A callback: who is called back by whom, how far that is, and why it failed.

    `call_id` is the call that was missed, `callback_call_id` the one that it became, whose CDR has
    the rest.
    """

    model_config = ConfigDict(from_attributes=True, frozen=True)

    id: UUID
    call_id: UUID
    tenant: str
    did: str
    caller: str
    group_name: str | None
    line: str | None
    is_promised: bool
    keeps_place: bool
    requested_at: datetime
    requested_by: str
    not_before: datetime
    expires_at: datetime
    state: CallbackState
    callback_call_id: UUID | None
    reason: str
    attempts: int
    history: list[HappeningAnswer]


def build(
    callbacks: Callbacks,
    directory: Callable[[], Directory],
    area_of: Callable[[PhoneNumber], Area],
) -> APIRouter:
    """Return the router of /v1/callbacks; `directory` gives the current one."""
    problem: dict[int | str, dict[str, Any]] = {404: {"model": Problem}, 422: {"model": Problem}}
    router = APIRouter(responses={503: {"model": Problem}, **problem})

    @router.post("/v1/callbacks", status_code=202)
    async def ask(wanted: CallbackWanted) -> CallbackAnswer:
        """Have the caller of a missed call called back; a switch does it as soon as it can."""
        request = await ask_for_missed(
            *(callbacks, directory(), area_of, wanted.call_id), by=wanted.by, line=wanted.line
        )
        return CallbackAnswer.model_validate(request)

    @router.get("/v1/callbacks/{callback_id}")
    async def callback(callback_id: UUID) -> CallbackAnswer:
        """One callback as it stands."""
        request = await callbacks.read(callback_id)
        if request is None:
            raise NotFound(f"there is no callback {callback_id}")
        return CallbackAnswer.model_validate(request)

    return router
