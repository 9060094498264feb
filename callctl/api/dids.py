"""The API's numbers and their switches; wired into the web process by app.web.

Nothing asks who you are, so a page of somebody else's in a browser on this machine must not turn a
switch: a PUT with a JSON body is one that a browser first asks leave for, which is never given, and
FastAPI takes no body that is not declared as application/json.
"""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from callctl import clock
from callctl.api.answers import DidAnswer
from callctl.api.problems import Problem
from callctl.directory.manual_switch import ManualSwitches
from callctl.directory.models import Directory
from callctl.errors import NotFound
from callctl.values.schedule import ManualSwitch


class SwitchTurn(BaseModel):
    """How a switch shall stand, and who says so."""

    model_config = ConfigDict(extra="forbid")

    position: ManualSwitch
    by: str = Field(default="api", max_length=100)


def build(directory: Callable[[], Directory], switches: ManualSwitches) -> APIRouter:
    """Return the router of /v1/dids; `directory` gives the current one."""
    router = APIRouter(responses={503: {"model": Problem}})
    unknown: dict[int | str, dict[str, Any]] = {404: {"model": Problem}}

    async def answers() -> dict[str, DidAnswer]:
        positions, now = await switches.positions(), clock.now()
        return {
            number: DidAnswer.of(did, positions.get(number), now)
            for number, did in directory().dids.items()
        }

    @router.get("/v1/dids")
    async def dids() -> list[DidAnswer]:
        """Every number, how its switch stands, and whether it is open now."""
        return list((await answers()).values())

    @router.put("/v1/dids/{did}/switch", responses=unknown)
    async def turn(did: str, wanted: SwitchTurn) -> DidAnswer:
        """Open or close a number by hand, or let it follow its schedule again."""
        number = await switches.turn(did, wanted.position, by=wanted.by)
        found = (await answers()).get(number)
        if found is None:
            raise NotFound(f"{number} is switched, and too new to be shown: ask again in a second")
        return found

    return router
