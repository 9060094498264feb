"""Tenants' own audio: stored, announced, followed by the sounds folder, removed, got back."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from callctl.api import audio as audio_api
from callctl.api import problems
from callctl.audio import SoundLibrary, add_audio, list_audio, read_wav, remove_audio, store
from callctl.audio.wav import samples_of
from callctl.cli.audio import uses
from callctl.db.pool import Database
from callctl.db.queries import queries
from callctl.directory.apply import apply
from callctl.directory.reading import read_document
from callctl.directory.store import DirectoryWatch, load
from callctl.errors import ConfigurationRefused, InvalidInput, NotFound
from tests.agents.prompts import tone_wav
from tests.demo.world import eventually

HOSTILE = "../../../tmp/|touch x;'); DROP TABLE audio_files; --\r\n\x1b[31m\u202e.wav"


async def _add(database: Database, name: str = "welcome", *, hz: int = 1300) -> None:
    await add_audio(database, "acme", name, tone_wav(hz), "tone.wav")


async def test_upload_is_stored_and_announced(database: Database) -> None:
    """What was uploaded is there as it will be played, and switches hear of a new revision."""
    before = await queries.read_directory_revision(database)
    uploaded = await add_audio(database, "acme", "welcome", tone_wav(1300), HOSTILE)
    assert await queries.read_directory_revision(database) == before + 1
    [file] = await list_audio(database, "acme")
    assert file == uploaded.file
    assert file.path == "tenants/acme/welcome"
    assert file.original_name == "|touch x;'); DROP TABLE audio_files; --[31m.wav"
    wav = await read_wav(database, "acme", "welcome")
    assert wav == uploaded.converted.wav
    assert len(samples_of(wav)) / 8000 == pytest.approx(file.seconds)


async def test_upload_replaces_the_one_before(database: Database) -> None:
    """A name has one file: the last one uploaded."""
    await _add(database, hz=1300)
    [first] = await list_audio(database)
    await _add(database, hz=1500)
    [second] = await list_audio(database)
    assert first.sha256 != second.sha256


@pytest.mark.parametrize("name", ["", "a/b", "..", "Welcome", "-x", "a b", "a'b", "é", "x" * 64])
async def test_names_become_files_and_so_are_plain(database: Database, name: str) -> None:
    """A name of audio, or of its tenant, that could be something else in a path is refused."""
    with pytest.raises(InvalidInput, match="small letters"):
        await add_audio(database, "acme", name, tone_wav(1300), "")
    with pytest.raises(InvalidInput, match="small letters"):
        await add_audio(database, name, "welcome", tone_wav(1300), "")
    assert await list_audio(database) == []


async def test_number_of_files_is_bounded(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tenant has at most so many files; replacing one is always possible."""
    monkeypatch.setattr(store, "FILES_MAX", 2)
    await _add(database, "one")
    await _add(database, "two")
    await _add(database, "two", hz=1500)
    with pytest.raises(InvalidInput, match="acme has 2 files"):
        await _add(database, "three")


async def test_folder_follows_the_database(database: Database, tmp_path: Path) -> None:
    """The folder gets, replaces and loses files as PostgreSQL does; others' stay as they are."""
    library = SoundLibrary(database, tmp_path)
    other = tmp_path / "callctl" / "closed.wav"
    other.parent.mkdir()
    other.write_bytes(b"ours")
    await _add(database)
    await library.sync()
    path = tmp_path / "tenants" / "acme" / "welcome.wav"
    assert path.read_bytes() == await read_wav(database, "acme", "welcome")
    assert path.stat().st_mode & 0o777 == 0o644

    with path.open("rb") as played:  # as Asterisk has it open
        first = path.read_bytes()
        await _add(database, hz=1500)
        await library.sync()
        assert played.read() == first
    assert path.read_bytes() == await read_wav(database, "acme", "welcome") != first

    revision_id = await queries.read_directory_revision(database)
    await remove_audio(database, "acme", "welcome", revision_id=revision_id)
    await library.sync()
    assert not path.exists()
    assert other.read_bytes() == b"ours"


async def test_folder_is_healed_at_the_start(database: Database, tmp_path: Path) -> None:
    """What was changed, left half or left over while no switch ran is put right."""
    await _add(database)
    folder = tmp_path / "tenants" / "acme"
    folder.mkdir(parents=True)
    (folder / "welcome.wav").write_bytes(b"changed")
    (folder / "gone.wav").write_bytes(b"left over")
    (folder / ".x.new").write_bytes(b"half")
    await SoundLibrary(database, tmp_path).sync()
    assert [path.name for path in folder.iterdir()] == ["welcome.wav"]
    assert (folder / "welcome.wav").read_bytes() == await read_wav(database, "acme", "welcome")


async def test_file_is_there_before_the_configuration(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    """A running switch has the file before it uses the revision that may name it, within 1 s."""
    library = SoundLibrary(database, tmp_path)
    path = tmp_path / "tenants" / "acme" / "welcome.wav"
    seen: list[tuple[int, bool]] = []

    async def before_use() -> None:
        await library.refresh()
        seen.append((watch.current.revision_id, path.exists()))

    watch = DirectoryWatch(database, database_url, before_use=before_use)
    await watch.reload()
    following = asyncio.create_task(watch.run())
    try:
        await _add(database)
        wanted = await queries.read_directory_revision(database)

        async def followed() -> bool | None:
            return watch.current.revision_id >= wanted or None

        await eventually(followed, "the revision to be followed", 1.0)
        assert seen[-1] == (wanted - 1, True)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def test_folder_that_cannot_be_written_is_tried_again(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full or closed disk keeps no configuration back; the file comes when it can be written."""
    folder = tmp_path / "sounds"
    folder.write_bytes(b"a file in the way")
    monkeypatch.setattr("callctl.audio.library._RETRY_SECONDS", 0.01)
    library = SoundLibrary(database, folder)
    await _add(database)
    await library.refresh()
    running = asyncio.create_task(library.run())
    try:
        folder.unlink()

        async def is_there() -> bool | None:
            return (folder / "tenants" / "acme" / "welcome.wav").exists() or None

        await eventually(is_there, "the file", 5.0)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_audio_in_a_changed_configuration_is_not_removed(database: Database) -> None:
    """Removing is refused when the configuration changed since it was looked at."""
    await _add(database)
    revision_id = await queries.read_directory_revision(database)
    await queries.announce_revision(database, summary="something else")
    with pytest.raises(InvalidInput, match="try again"):
        await remove_audio(database, "acme", "welcome", revision_id=revision_id)
    with pytest.raises(NotFound, match="callctl audio list"):
        await remove_audio(database, "acme", "other", revision_id=revision_id + 1)


def test_uses_are_named_by_their_field() -> None:
    """Where a prompt is used is told in the words of the provisioning file."""
    provisioned = """
    tenants:
      - name: acme
        menus: [{name: main, prompt: welcome, keys: {"1": group:welcome}}]
        groups: [{name: welcome, queue: {music: welcome}}]
        dids: [{number: "4001234567", greeting: {prompt: welcome}}, {number: "400", greeting: hi}]
    """
    assert uses(provisioned, "welcome") == [
        "menus.main.prompt",
        "groups.welcome.queue.music",
        "dids.4001234567.greeting.prompt",
    ]
    assert uses(provisioned, "hi") == ["dids.400.greeting"]
    assert uses(provisioned, "group:welcome") == []
    assert uses("", "welcome") == []


async def _callctl(database_url: str, *arguments: str) -> tuple[int, str, str]:
    """Run a command to its end: exit code, standard output, standard error."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "callctl", *arguments),
        env={**os.environ, "CALLCTL_DATABASE_URL": database_url, "CALLCTL_VAR_DIR": "/nowhere"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode or 0, out.decode(errors="replace"), err.decode()


async def test_commands(database_url: str, tmp_path: Path) -> None:
    """A file is added, listed, got back and removed by commands that say what they did."""
    source = tmp_path / "wel come.wav"
    source.write_bytes(tone_wav(1300, 1.0))
    code, out, err = await _callctl(database_url, "audio", "add", "acme", "welcome", str(source))
    assert (code, err) == (0, "")
    assert out == (
        "welcome of acme: 1.0 s of wav, made 8 kHz mono, 4.7 dB softer (-20.0 dB of full scale)\n"
    )
    code, out, _ = await _callctl(database_url, "audio", "list", "acme", "--json")
    [file] = json.loads(out)["audio"]
    assert (file["name"], file["original_name"]) == ("welcome", "wel come.wav")
    saved = tmp_path / "saved.wav"
    code, _, _ = await _callctl(database_url, "audio", "export", "acme", "welcome", str(saved))
    assert code == 0
    assert len(samples_of(saved.read_bytes())) == 8000
    code, out, _ = await _callctl(database_url, "audio", "remove", "acme", "welcome")
    assert (code, out) == (0, "welcome of acme is removed\n")
    code, _, err = await _callctl(database_url, "audio", "remove", "acme", "welcome")
    assert (code, err.startswith("error: acme has no audio welcome")) == (1, True)


async def test_api_takes_an_upload(database: Database) -> None:
    """PUT stores the body as the tenant's audio and answers what was done; others are 422."""
    app = FastAPI()
    problems.install(app)
    app.include_router(audio_api.build(database))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        url = "/v1/tenants/acme/audio/welcome"
        answer = await client.put(
            url, content=tone_wav(1300), params={"original_name": "../hello.wav"}
        )
        assert answer.status_code == 200
        assert answer.json()["original_name"] == "hello.wav"
        assert answer.json()["format"] == "wav"
        for path, body in ((url, b"hello"), ("/v1/tenants/acme/audio/..%5Cx", tone_wav(1300))):
            refused = await client.put(path, content=body)
            assert (refused.status_code, refused.json()["code"]) == (422, "invalid-input")
    [file] = await list_audio(database)
    assert file.sha256 == answer.json()["sha256"]


async def test_api_stops_reading_what_is_too_large(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body over the limit is refused when the limit is passed, not when it has ended."""
    monkeypatch.setattr(audio_api, "BYTES_MAX", 1_000_000)
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100_000_000:
            sent += 100_000
            yield bytes(100_000)

    app = FastAPI()
    problems.install(app)
    app.include_router(audio_api.build(database))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.put("/v1/tenants/acme/audio/x", content=endless())
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")
    assert sent < 2_000_000


OWN_GREETING = """
tariffs: [{name: t, rates: [{price_per_minute: "0.30"}]}]
tenants:
  - name: acme
    account: {opening_balance: "10"}
    lines: [{name: a, number: "01062000001", trunk: carrier}]
    dids: [{number: "4001234567", tariff: t, lines: [a], greeting: welcome}]
"""


async def test_configuration_and_audio_hold_each_other(
    database: Database, database_url: str
) -> None:
    """A configuration needs its audio first, and audio in use stays: the field is named."""
    document = read_document(OWN_GREETING.encode())
    with pytest.raises(ConfigurationRefused) as refused:
        await apply(database, document)
    assert "welcome" in refused.value.problems[0].message

    await _add(database)
    await apply(database, document)
    async with database.transaction() as connection:
        did = (await load(connection)).dids["4001234567"]
    [file] = await list_audio(database)
    assert did.greeting is not None
    assert did.greeting.prompt == file.path

    code, _, err = await _callctl(database_url, "audio", "remove", "acme", "welcome")
    assert code == 1
    assert "uses welcome in dids.4001234567.greeting: change that first" in err
    assert await list_audio(database) == [file]
