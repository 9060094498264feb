"""The commands to channels that callctl uses; names are ari-py's in snake_case, ids are ours.

Used by calls and exchange as `client.channels`; sending.py says which errors a command raises.
While something plays on a channel, commands to that channel wait for its end: stop it first.
"""

from collections.abc import Mapping, Sequence

from pydantic import TypeAdapter

from callctl.ari import models, names
from callctl.ari.sending import Commands, play_body, variables_body
from callctl.ari.transport import Transport
from callctl.errors import AriRefused, HungUp, InvalidInput

_CHANNELS = TypeAdapter(list[models.Channel])
_CAUSE_MAX = 127


class Channels(Commands):
    """Commands to channels; each may raise HungUp, AriRefused, AriUnavailable.

    Hang-ups and paid times go by the transport `urgent`: they wait behind nothing that begins.
    """

    def __init__(self, transport: Transport, app: str, urgent: Transport) -> None:
        super().__init__(transport)
        self._app = app
        self._urgent = Commands(urgent)

    async def list(self) -> list[models.Channel]:
        """Every channel in Asterisk, ours or not."""
        return _CHANNELS.validate_json(await self.send("GET", "/ari/channels"))

    async def get(self, channel_id: str) -> models.Channel:
        """One channel; HungUp when there is none."""
        body = await self.send("GET", f"/ari/channels/{names.object_id(channel_id)}")
        return models.Channel.model_validate_json(body)

    async def create(
        self,
        endpoint: str,
        *,
        channel_id: str,
        app_args: str = "",
        originator: str | None = None,
        formats: str | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> models.Channel:
        """Make a channel that enters our application; after its StasisStart it can be dialled.

        Its codecs are those of the channel `originator`, or `formats` such as "alaw,ulaw".

        Sending the same id again returns the channel made before. AriRefused when the endpoint
        cannot be called.
        """
        query = names.query(
            {
                "endpoint": names.endpoint(endpoint),
                "app": self._app,
                "appArgs": app_args or None,
                "channelId": names.object_id(channel_id),
                "originator": None if originator is None else names.object_id(originator),
                "formats": None if formats is None else names.formats(formats),
            }
        )
        try:
            body = await self.send(
                "POST", f"/ari/channels/create{query}", variables_body(variables)
            )
        except AriRefused as refusal:
            if refusal.status != 409:
                raise
            return await self._made_before(channel_id, refusal)
        return models.Channel.model_validate_json(body)

    async def originate(
        self,
        endpoint: str,
        *,
        channel_id: str,
        app_args: str = "",
        context: str | None = None,
        extension: str | None = None,
        caller_id: str | None = None,
        timeout: int = 30,  # noqa: ASYNC109 - Asterisk keeps it
        other_channel_id: str | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> models.Channel:
        """Create and dial in one; once answered it enters our application or a context.

        `timeout` is in seconds. There is no StasisStart before the answer.
        """
        query = names.query(
            {
                "endpoint": names.endpoint(endpoint),
                "channelId": names.object_id(channel_id),
                "otherChannelId": None
                if other_channel_id is None
                else names.object_id(other_channel_id),
                "app": self._app if extension is None else None,
                "appArgs": app_args or None,
                "context": None if context is None else names.word(context),
                "extension": None if extension is None else names.word(extension),
                "callerId": None if caller_id is None else names.printable("caller id", caller_id),
                "timeout": timeout,
            }
        )
        try:
            body = await self.send("POST", f"/ari/channels{query}", variables_body(variables))
        except AriRefused as refusal:
            if refusal.status != 409:
                raise
            return await self._made_before(channel_id, refusal)
        return models.Channel.model_validate_json(body)

    async def _made_before(self, channel_id: str, refusal: AriRefused) -> models.Channel:
        """The channel of that very id; else (an id that only begins alike) the refusal."""
        try:
            return await self.get(channel_id)
        except HungUp:
            raise refusal from None

    async def dial(
        self,
        channel_id: str,
        *,
        caller: str | None = None,
        timeout: int | None = None,  # noqa: ASYNC109 - Asterisk keeps it
    ) -> None:
        """Ring a created channel for at most `timeout` seconds; `caller` is the A-leg's channel."""
        await self._act(
            channel_id,
            "dial",
            {
                "caller": None if caller is None else names.object_id(caller),
                "timeout": timeout,
            },
        )

    async def answer(self, channel_id: str) -> None:
        """Answer; no effect on a channel that is up."""
        await self._act(channel_id, "answer")

    async def ring(self, channel_id: str) -> None:
        """Tell the caller that it rings (180); the caller's own network makes the tone."""
        await self._act(channel_id, "ring")

    async def progress(self, channel_id: str) -> None:
        """Open early media (183) without answering."""
        await self._act(channel_id, "progress")

    async def hangup(self, channel_id: str, *, reason_code: int = 16) -> None:
        """Hang up with a Q.850 cause; no error when the channel has hung up already."""
        if not 0 < reason_code <= _CAUSE_MAX:
            raise InvalidInput(f"hang-up cause {reason_code} is outside [1, 127] of Q.850")
        await self._urgent.end(
            f"/ari/channels/{names.object_id(channel_id)}?reason_code={int(reason_code)}"
        )

    async def play(
        self,
        channel_id: str,
        *,
        media: str | Sequence[str],
        playback_id: str,
        lang: str | None = None,
    ) -> models.Playback:
        """Play `media` (sound:…, tone:…), one after the other; ends with PlaybackFinished.

        `lang` such as zh, or zh-CN, which falls back to zh, chooses among a sound's languages;
        None is the channel's own. A sound that has none of it is played without language.

        An unanswered channel gets it as early media. Not idempotent: the same id plays twice.
        """
        body = play_body(media, lang)
        target = f"/ari/channels/{names.object_id(channel_id)}/play/{names.object_id(playback_id)}"
        return models.Playback.model_validate_json(await self.send("POST", target, body))

    async def snoop(
        self, channel_id: str, *, snoop_id: str, whisper: str, app_args: str
    ) -> models.Channel:
        """Make a channel of this id that whispers into another one: "out" is what its party hears.

        It enters our application with `app_args`; wait for its StasisStart before playing on it.
        """
        query = names.query(
            {"spy": "none", "whisper": whisper, "app": self._app, "appArgs": app_args}
        )
        target = f"/ari/channels/{names.object_id(channel_id)}/snoop/{names.object_id(snoop_id)}"
        return models.Channel.model_validate_json(await self.send("POST", target + query))

    async def continue_in_dialplan(
        self,
        channel_id: str,
        *,
        context: str | None = None,
        extension: str | None = None,
        priority: int | None = None,
    ) -> None:
        """Give the channel back to the dialplan, after Stasis() or at the place named."""
        await self._act(
            channel_id,
            "continue",
            {
                "context": None if context is None else names.word(context),
                "extension": None if extension is None else names.word(extension),
                "priority": priority,
            },
        )

    async def get_channel_var(self, channel_id: str, variable: str) -> str | None:
        """The value of a channel variable or function; None when there is no such variable."""
        query = names.query({"variable": variable})
        target = f"/ari/channels/{names.object_id(channel_id)}/variable{query}"
        try:
            body = await self.send("GET", target)
        except AriRefused as refusal:
            if refusal.status == 404:
                return None
            raise
        return models.Variable.model_validate_json(body).value

    async def set_channel_var(self, channel_id: str, variable: str, value: str) -> None:
        """Set a variable or function; Asterisk's yes does not mean that it was set (R14)."""
        if variable.upper() == names.TIMEOUT_ABSOLUTE.upper():
            raise InvalidInput(f"{variable} is set by set_timeout_absolute only, which checks it")
        query = {"variable": variable, "value": names.printable(variable, value)}
        await self._act(channel_id, "variable", query)

    async def set_timeout_absolute(
        self, channel_id: str, seconds: float, *, is_read_back: bool = True
    ) -> None:
        """Let Asterisk itself end the channel in `seconds`, 1 to 14400, and see that it will.

        Less than 1 s is InvalidInput: hang up instead. AriRefused when the value read back is 0
        (no limit) or more than was set: the leg is then unbounded, so hang it up (R3). Who puts
        the reading off asks get_timeout_absolute later.
        """
        value = names.timeout_seconds(seconds)
        query = {"variable": names.TIMEOUT_ABSOLUTE, "value": value}
        await self._act(channel_id, "variable", query, by=self._urgent)
        if is_read_back:
            left = await self.get_timeout_absolute(channel_id)
            if not 0 < left <= float(value):
                raise AriRefused(
                    f"{names.TIMEOUT_ABSOLUTE} of {channel_id} is {left:g} after {value}: hang up"
                )

    async def get_timeout_absolute(self, channel_id: str) -> float:
        """Seconds until Asterisk itself ends the channel; 0 when nothing will."""
        return float(await self.get_channel_var(channel_id, names.TIMEOUT_ABSOLUTE) or 0)

    async def _act(
        self,
        channel_id: str,
        verb: str,
        query: Mapping[str, str | int | None] | None = None,
        *,
        by: Commands | None = None,
    ) -> None:
        target = f"/ari/channels/{names.object_id(channel_id)}/{verb}"
        await (by or self).send("POST", target + names.query(query) if query else target)
