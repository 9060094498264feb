"""The API's door for uploads; wired into the web process by app.web beside the other routes."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from callctl.api.problems import Problem
from callctl.audio import add_audio
from callctl.audio.converting import BYTES_MAX
from callctl.db.pool import Database
from callctl.errors import InvalidInput


class AudioAnswer(BaseModel):
    """What is stored, and what was done to the upload: its format, and how much louder it is."""

    tenant: str
    name: str
    seconds: float
    loudness_db: float
    sha256: str
    original_name: str
    uploaded_at: datetime
    format: str
    gain_db: float


def build(database: Database) -> APIRouter:
    """Return the router of /v1/tenants/{tenant}/audio/{name}."""
    router = APIRouter(responses={503: {"model": Problem}})
    refused: dict[int | str, dict[str, Any]] = {422: {"model": Problem}}

    @router.put("/v1/tenants/{tenant}/audio/{name}", responses=refused)
    async def upload(
        tenant: str,
        name: str,
        request: Request,
        original_name: Annotated[str, Query(max_length=1000)] = "",
    ) -> AudioAnswer:
        """Store the body, in any format that is read, as the tenant's audio of that name."""
        uploaded = await add_audio(database, tenant, name, await _body(request), original_name)
        file, done = uploaded
        return AudioAnswer(
            tenant=file.tenant,
            name=file.name,
            seconds=file.seconds,
            loudness_db=file.loudness_db,
            sha256=file.sha256,
            original_name=file.original_name,
            uploaded_at=file.uploaded_at,
            format=done.format,
            gain_db=done.gain_db,
        )

    return router


async def _body(request: Request) -> bytes:
    """The request's body; raises InvalidInput as soon as it is too large."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > BYTES_MAX:
            raise InvalidInput(f"more than {BYTES_MAX // 1_000_000} MB: send it as MP3 or FLAC")
    return bytes(body)
