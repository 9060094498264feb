"""The commands about Asterisk itself and our application in it.

`client.applications`, `asterisk`, `dialplan` and `events`; used by the reader, exchange, doctor.
"""

from collections.abc import Iterable, Mapping

import orjson
from pydantic import TypeAdapter

from callctl.ari import models, names
from callctl.ari.sending import Commands, variables_body
from callctl.ari.transport import Transport

_MODULES = TypeAdapter(list[models.Module])


class Applications(Commands):
    """Which events our application gets."""

    def __init__(self, transport: Transport, app: str) -> None:
        super().__init__(transport)
        self._app = app

    async def get(self) -> models.Application:
        """The application's subscriptions; AriRefused with status 404 when it is not connected."""
        body = await self.send("GET", f"/ari/applications/{self._app}")
        return models.Application.model_validate_json(body)

    async def filter(self, *, disallowed: Iterable[str]) -> None:
        """Keep these types of events off the socket; does not outlive the connection."""
        body = {"disallowed": [{"type": name} for name in sorted(disallowed)]}
        await self.send("PUT", f"/ari/applications/{self._app}/eventFilter", orjson.dumps(body))


class AsteriskSystem(Commands):
    """What the doctor asks of Asterisk itself."""

    async def info(self) -> models.AsteriskInfo:
        """Version, build and the time of the start."""
        return models.AsteriskInfo.model_validate_json(await self.send("GET", "/ari/asterisk/info"))

    async def ping(self) -> models.AsteriskPing:
        """Ask for a sign of life."""
        return models.AsteriskPing.model_validate_json(await self.send("GET", "/ari/asterisk/ping"))

    async def list_modules(self) -> list[models.Module]:
        """All loaded modules."""
        return _MODULES.validate_json(await self.send("GET", "/ari/asterisk/modules"))

    async def get_module(self, module: str) -> models.Module:
        """One loaded module such as res_ari.so; AriRefused (404 or 409) when it does not run."""
        body = await self.send("GET", f"/ari/asterisk/modules/{names.module(module)}")
        return models.Module.model_validate_json(body)


class Dialplan(Commands):
    """What the dialplan is told."""

    async def set_global_var(self, variable: str, value: str) -> None:
        """Set a global variable; it lasts until Asterisk ends."""
        query = names.query({"variable": variable, "value": names.printable(variable, value)})
        await self.send("POST", f"/ari/asterisk/variable{query}")


class Events(Commands):
    """Events that we make ourselves."""

    def __init__(self, transport: Transport, app: str) -> None:
        super().__init__(transport)
        self._app = app

    async def user_event(
        self, event_name: str, *, variables: Mapping[str, str] | None = None
    ) -> None:
        """Send ourselves a ChannelUserevent: the round trip shows that events arrive (R11)."""
        target = f"/ari/events/user/{names.app(event_name)}?application={self._app}"
        await self.send("POST", target, variables_body(variables))
