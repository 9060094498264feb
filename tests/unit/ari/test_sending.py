"""What Asterisk's answers mean, and what is sent."""

from dataclasses import dataclass, field

import orjson
import pytest

from callctl.ari.client import AriClient, AriSettings
from callctl.ari.transport import Answer
from callctl.errors import AriRefused, AriUnavailable, CallctlError, HungUp, InvalidInput

SETTINGS = AriSettings("http://127.0.0.1:1", "callctl", "secret")


@dataclass
class Scripted:
    """A transport that gives prepared answers and notes what was sent."""

    answers: list[Answer]
    sent: list[tuple[str, str, bytes | None]] = field(default_factory=list)

    async def request(self, method: str, target: str, body: bytes | None = None) -> Answer:
        """See callctl.ari.transport.Transport."""
        self.sent.append((method, target, body))
        return self.answers.pop(0)

    async def close(self) -> None:
        """See callctl.ari.transport.Transport."""


def client(*answers: Answer) -> tuple[AriClient, Scripted]:
    """A client whose commands are answered by the script."""
    transport = Scripted(list(answers))
    return AriClient(SETTINGS, transport=transport), transport


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (404, b'{"message":"Channel not found"}', HungUp),
        (409, b'{"message":"Channel not in Stasis application"}', HungUp),
        (500, b'{"message":"Failed to answer channel"}', HungUp),
        (412, b'{"message":"Channel in invalid state"}', AriRefused),
        (401, b"", AriRefused),
        (500, b'{"error":"Allocation failed"}', AriRefused),
        (500, b"{}", AriUnavailable),
        (503, b"<html>", AriUnavailable),
        (500, b"[]", AriUnavailable),
    ],
)
async def test_answer_means_error(status: int, body: bytes, error: type[CallctlError]) -> None:
    """Status and words decide between a hang-up, a no, and not knowing."""
    ari, _ = client(Answer(status, body))
    with pytest.raises(error) as raised:
        await ari.channels.answer("l1")
    assert type(raised.value) is error


async def test_refusal_says_command_status_and_asterisks_words() -> None:
    """The message is enough to find the mistake."""
    ari, _ = client(Answer(412, b'{"message":"Channel in invalid state"}'))
    with pytest.raises(
        AriRefused, match="POST /ari/channels/l1/answer: Channel in invalid state"
    ) as refused:
        await ari.channels.answer("l1")
    assert refused.value.status == 412


@pytest.mark.parametrize("status", [204, 404, 409])
async def test_ending_what_has_ended_is_no_error(status: int) -> None:
    """The thing is gone, as was wanted; Asterisk's caches say so in two ways."""
    ari, _ = client(*[Answer(status, b'{"message":"not in Stasis application"}')] * 3)
    await ari.channels.hangup("l1")
    await ari.bridges.destroy("b1")
    await ari.playbacks.stop("p1")


async def test_ending_that_fails_is_an_error() -> None:
    """Not knowing whether a channel was hung up is not the same as its being gone."""
    ari, _ = client(Answer(500, b"{}"))
    with pytest.raises(AriUnavailable):
        await ari.channels.hangup("l1")


@pytest.mark.parametrize("value", ["0", "-1", "5.001", "14399.000"])
async def test_timeout_absolute_that_reads_back_unbounded_is_refused(value: str) -> None:
    """A yes from Asterisk is not believed: 0 is no limit, more than was set is another's limit."""
    ari, transport = client(Answer(204, b""), Answer(200, orjson.dumps({"value": value})))
    with pytest.raises(AriRefused, match="hang up"):
        await ari.channels.set_timeout_absolute("l1", 5)
    assert transport.sent[0][1].endswith("/variable?variable=TIMEOUT%28absolute%29&value=5.000")


async def test_timeout_absolute_is_not_set_as_a_plain_variable() -> None:
    """There is one way to set the paid time, and it checks."""
    ari, transport = client()
    with pytest.raises(InvalidInput, match="set_timeout_absolute"):
        await ari.channels.set_channel_var("l1", "timeout(ABSOLUTE)", "0")
    assert transport.sent == []


async def test_invalid_id_sends_nothing() -> None:
    """A bad id never reaches the network."""
    ari, transport = client()
    for command in (
        ari.channels.answer("../asterisk/ping"),
        ari.channels.hangup("a/b"),
        ari.channels.play("l1", media="sound:x", playback_id="p/1"),
        ari.bridges.add_channel("b1", ["l1", "l2,l3"]),
        ari.playbacks.stop("?"),
        ari.asterisk.get_module("../res.so"),
        ari.events.user_event("a/b"),
    ):
        with pytest.raises(InvalidInput):
            await command
    assert transport.sent == []


async def test_password_is_in_no_text_of_the_settings() -> None:
    """Settings may be logged."""
    assert "secret" not in repr(SETTINGS)


async def test_a_playback_that_just_begins_is_stopped_in_another_try() -> None:
    """Asterisk's 500 for it is no outage; another 500 is, and is not asked again."""
    begins = Answer(500, b'{"error":"Could not stop playback"}')
    ari, transport = client(begins, begins, Answer(204, b""))
    await ari.playbacks.stop("p1")
    assert len(transport.sent) == 3

    ari, transport = client(Answer(500, b"{}"))
    with pytest.raises(AriUnavailable):
        await ari.playbacks.stop("p1")

    ari, transport = client(*[begins] * 5)
    with pytest.raises(AriUnavailable):
        await ari.playbacks.stop("p1")
    assert not transport.answers
