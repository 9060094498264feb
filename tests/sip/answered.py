"""The world of voicemail.yaml, and what test modules hear in the files that it leaves."""

import wave
from io import BytesIO
from pathlib import Path

from callctl.directory.apply import apply
from callctl.directory.reading import read_document
from callctl.stack.asterisk import Asterisk
from tests.agents.tones import CODECS, FRAME_SAMPLES, ULAW, Ear
from tests.demo.world import World, eventually

CALLER = "13901710001"
CALLER_HZ, LINE_HZ = 700, 440
DESK, KEPT = "01062000301", "01062000302"


async def provide(world: World) -> None:
    """Apply voicemail.yaml and wait until the switch follows it."""
    document = read_document(Path(__file__).with_name("voicemail.yaml").read_bytes())
    plan = await apply(world.database, document)
    assert plan.revision_id is not None
    await world.followed(plan.revision_id)


async def written(world: World, asterisk: Asterisk, suffix: str, seconds: float) -> Path:
    """Wait until Asterisk has written so many seconds of the one live call's file."""
    [live] = await world.views.live_calls()
    path = asterisk.recordings_path / f"{live.call_id}{suffix}"
    await holds(path, seconds)
    return path


async def holds(path: Path, seconds: float) -> None:
    """Wait until Asterisk has written so many seconds of a file."""

    def is_written() -> bool:
        return path.exists() and seconds_of(path) >= seconds

    async def look() -> bool | None:
        return is_written() or None

    await eventually(look, f"{seconds} s in {path.name}", seconds + 3)


def tones_of(sound: bytes) -> dict[int, float]:
    """The tones of a WAV file, in Hz, and for how many seconds each is heard."""
    ear = Ear()
    with wave.open(BytesIO(sound)) as recording:
        assert (recording.getframerate(), recording.getsampwidth()) == (8000, 2)
        pcm = recording.readframes(recording.getnframes())
    step = FRAME_SAMPLES * 2
    for number in range(len(pcm) // step):
        frame = CODECS[ULAW].encode(pcm[number * step : (number + 1) * step])
        ear.hear(ULAW, frame, at=number * 0.02, sample=number * FRAME_SAMPLES)
    heard: dict[int, float] = {}
    for tone in ear.tones:
        heard[tone.hz] = heard.get(tone.hz, 0.0) + tone.seconds
    return heard


def seconds_of(path: Path) -> float:
    """How long a file of Asterisk's plays."""
    return (path.stat().st_size - 44) / 16_000
