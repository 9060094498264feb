"""Voicemails: what callers said into a box, kept as a file and sent by e-mail.

The flow takes a message (flows.voicemail), the switch sends it (Mailer), the cli takes it out.
"""

from callctl.voicemail.mailer import Mailer, SmtpServer
from callctl.voicemail.store import NewVoicemail, Voicemails

__all__ = ["Mailer", "NewVoicemail", "SmtpServer", "Voicemails"]
