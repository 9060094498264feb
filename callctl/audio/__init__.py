"""Prompts: those that callctl ships, made by text to speech, and those that tenants upload.

Used by cli (build, upload), api (upload), app (the switch's sounds folder) and flows (names).
"""

from callctl.audio.catalogue import LANGUAGES
from callctl.audio.library import SoundLibrary
from callctl.audio.store import AudioFile, list_audio, read_wav, remove_audio
from callctl.audio.uploading import Uploaded, add_audio

__all__ = [
    "LANGUAGES",
    "AudioFile",
    "SoundLibrary",
    "Uploaded",
    "add_audio",
    "list_audio",
    "read_wav",
    "remove_audio",
]
