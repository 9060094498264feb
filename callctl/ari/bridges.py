"""The commands to bridges and playbacks that callctl uses, as `client.bridges`, `client.playbacks`.

Used by calls and exchange; sending.py says which errors a command raises.
"""

from collections.abc import Sequence

from pydantic import TypeAdapter

from callctl.ari import models, names
from callctl.ari.sending import Commands, play_body
from callctl.errors import AriRefused

_BRIDGES = TypeAdapter(list[models.Bridge])


class Bridges(Commands):
    """Commands to bridges."""

    async def list(self) -> list[models.Bridge]:
        """Every bridge in Asterisk, ours or not."""
        return _BRIDGES.validate_json(await self.send("GET", "/ari/bridges"))

    async def get(self, bridge_id: str) -> models.Bridge:
        """One bridge; AriRefused with status 404 when there is none."""
        body = await self.send("GET", f"/ari/bridges/{names.object_id(bridge_id)}")
        return models.Bridge.model_validate_json(body)

    async def create(
        self, bridge_id: str, *, bridge_type: str = "mixing", name: str | None = None
    ) -> models.Bridge:
        """Make a bridge ("mixing" or "holding"); the same id again returns the one made before."""
        query = names.query(
            {
                "type": names.bridge_type(bridge_type),
                "name": None if name is None else names.printable("bridge name", name),
            }
        )
        target = f"/ari/bridges/{names.object_id(bridge_id)}"
        try:
            body = await self.send("POST", target + query)
        except AriRefused as refusal:
            if refusal.status != 409:
                raise
            return await self.get(bridge_id)
        return models.Bridge.model_validate_json(body)

    async def add_channel(self, bridge_id: str, channel: str | Sequence[str]) -> None:
        """Put one or more channels into a bridge; HungUp when one of them is gone."""
        await self._move("addChannel", bridge_id, channel)

    async def remove_channel(self, bridge_id: str, channel: str | Sequence[str]) -> None:
        """Take channels out of a bridge; AriRefused when one is not in it."""
        await self._move("removeChannel", bridge_id, channel)

    async def play(
        self,
        bridge_id: str,
        *,
        media: Sequence[str],
        playback_id: str,
        lang: str | None = None,
    ) -> models.Playback:
        """Play `media` to everybody in the bridge; as channels.play, but no command waits for it.

        Ends with PlaybackFinished.
        """
        target = f"/ari/bridges/{names.object_id(bridge_id)}/play/{names.object_id(playback_id)}"
        body = play_body(media, lang)
        return models.Playback.model_validate_json(await self.send("POST", target, body))

    async def destroy(self, bridge_id: str) -> None:
        """Remove a bridge; its channels stay. No error when it is gone already."""
        await self.end(f"/ari/bridges/{names.object_id(bridge_id)}")

    async def _move(self, verb: str, bridge_id: str, channel: str | Sequence[str]) -> None:
        ids = [channel] if isinstance(channel, str) else channel
        query = names.query({"channel": ",".join(names.object_id(one) for one in ids)})
        await self.send("POST", f"/ari/bridges/{names.object_id(bridge_id)}/{verb}{query}")


class Playbacks(Commands):
    """Commands to what plays."""

    async def get(self, playback_id: str) -> models.Playback:
        """One playback; AriRefused with status 404 when it has ended."""
        body = await self.send("GET", f"/ari/playbacks/{names.object_id(playback_id)}")
        return models.Playback.model_validate_json(body)

    async def stop(self, playback_id: str) -> None:
        """Stop it; no error when it has ended."""
        await self.end(f"/ari/playbacks/{names.object_id(playback_id)}")
