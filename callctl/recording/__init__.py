"""Recorded talks, and the folder that they and the voicemails are files in.

The flows begin a recording (flows.recorded), the switch deletes files whose days are over, the
cli takes them out. Nothing here speaks to Asterisk, which writes the files.
"""

from callctl.recording.folder import Folder, Heard
from callctl.recording.retention import Retention
from callctl.recording.store import Act, NewRecording, Recordings, note_access

__all__ = ["Act", "Folder", "Heard", "NewRecording", "Recordings", "Retention", "note_access"]
