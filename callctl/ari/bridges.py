"""The commands to bridges, playbacks and recordings that callctl uses.

As `client.bridges`, `client.playbacks`, `client.recordings`; used by calls and exchange.
sending.py says which errors a command raises.
"""

from collections.abc import Sequence

from pydantic import TypeAdapter

from callctl import clock
from callctl.ari import models, names
from callctl.ari.sending import Commands, play_body
from callctl.errors import AriRefused, AriUnavailable

_BEGINS = "Could not stop playback"  # Asterisk's words for one that is just beginning
_STOP_TRIES = 5
_REMOVED_SECONDS_MAX = 2.0  # from the command to remove a bridge until its id is free
_RETRY_SECONDS = 0.02
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
        self,
        bridge_id: str,
        *,
        bridge_type: str = "mixing",
        name: str | None = None,
        is_removed: bool = False,
    ) -> models.Bridge:
        """Make a bridge ("mixing" or "holding"); the same id again returns the one made before.

        One that `is_removed` is not returned: its id is free a moment after the removal.
        """
        query = names.query(
            {
                "type": names.bridge_type(bridge_type),
                "name": None if name is None else names.printable("bridge name", name),
            }
        )
        target = f"/ari/bridges/{names.object_id(bridge_id)}"
        give_up_at = clock.monotonic() + (_REMOVED_SECONDS_MAX if is_removed else 0.0)
        while True:
            try:
                body = await self.send("POST", target + query)
                return models.Bridge.model_validate_json(body)
            except AriRefused as refusal:
                if refusal.status != 409:
                    raise
            if clock.monotonic() >= give_up_at:
                return await self.get(bridge_id)
            await clock.sleep(_RETRY_SECONDS)

    async def removed(self, bridge_id: str) -> None:
        """Wait until one that was told to go is gone, or for long enough; raises AriUnavailable."""
        give_up_at = clock.monotonic() + _REMOVED_SECONDS_MAX
        while clock.monotonic() < give_up_at:
            try:
                await self.get(bridge_id)
            except AriRefused as refusal:
                if refusal.status == 404:
                    return
                raise
            await clock.sleep(_RETRY_SECONDS)

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

    async def record(
        self,
        bridge_id: str,
        *,
        name: str,
        seconds_max: int,
        silence_seconds: int = 0,
        terminate_on: str = "none",
    ) -> models.LiveRecording:
        """Record all that is said in the bridge as NAME.wav in Asterisk's recording folder.

        Ends with RecordingFinished: after `seconds_max`, after `silence_seconds` without a word (0:
        never), by the digit `terminate_on`, with the last channel in the bridge, or stopped.
        AriRefused with status 409 when a recording of this name exists.
        """
        query = names.query(
            {
                "name": names.recording(name),
                "format": "wav",
                "ifExists": "fail",
                "maxDurationSeconds": seconds_max,
                "maxSilenceSeconds": silence_seconds,
                "terminateOn": terminate_on,
            }
        )
        target = f"/ari/bridges/{names.object_id(bridge_id)}/record{query}"
        return models.LiveRecording.model_validate_json(await self.send("POST", target))

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
        """Stop it; no error when it has ended.

        In the moment in which it begins Asterisk can't stop it and says 500: asked again.
        """
        target = f"/ari/playbacks/{names.object_id(playback_id)}"
        for _ in range(_STOP_TRIES - 1):
            try:
                await self.end(target)
            except AriUnavailable as error:
                if _BEGINS not in str(error):
                    raise
                await clock.sleep(_RETRY_SECONDS)
            else:
                return
        await self.end(target)


class Recordings(Commands):
    """Commands to what is being recorded."""

    async def get(self, name: str) -> models.LiveRecording:
        """What is being recorded; AriRefused with status 404 when it has ended."""
        body = await self.send("GET", f"/ari/recordings/live/{names.recording(name)}")
        return models.LiveRecording.model_validate_json(body)

    async def stop(self, name: str) -> None:
        """End a recording and keep the file; no error when it has ended."""
        try:
            await self.send("POST", f"/ari/recordings/live/{names.recording(name)}/stop")
        except AriRefused as refusal:
            if refusal.status != 404:
                raise
