"""A voicemail as an e-mail: subject and text in the tenant's language, the sound attached.

Pure; made by the mailer. What came with the call is hostile text: it is cut, loses what is not
printable, and can't be an RFC 2047 word, which EmailMessage would decode, line breaks in it too.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from zoneinfo import ZoneInfo

_TEXT_LENGTH_MAX = 80


@dataclass(frozen=True, slots=True)
class SaidText:
    """What the mail says, in one language."""

    subject: str
    body: str
    time: str
    unknown: str


_TEXTS = {
    "zh": SaidText(
        subject="{did} 的语音留言：{caller}（{area}）",
        body=(
            "您的号码 {did} 收到一条语音留言，录音见附件。\n\n"
            "来电号码：{caller}\n归属地：{area}\n时间：{time}\n时长：{seconds} 秒\n信箱：{box}\n"
        ),
        time="%Y年%m月%d日 %H:%M",
        unknown="未知",
    ),
    "en": SaidText(
        subject="Voicemail for {did} from {caller} ({area})",
        body=(
            "A caller left a message for your number {did}; it is attached.\n\n"
            "Caller: {caller}\nArea: {area}\nTime: {time}\nLength: {seconds} s\nBox: {box}\n"
        ),
        time="%Y-%m-%d %H:%M",
        unknown="unknown",
    ),
    "fr": SaidText(
        subject="Message vocal pour le {did}, de {caller} ({area})",
        body=(
            "Un correspondant a laissé un message pour votre numéro {did} ; il est joint.\n\n"
            "Appelant : {caller}\nRégion : {area}\nHeure : {time}\nDurée : {seconds} s\n"
            "Boîte : {box}\n"
        ),
        time="%d/%m/%Y %H:%M",
        unknown="inconnu",
    ),
}


@dataclass(frozen=True, slots=True)
class Said:
    """A voicemail that is to be mailed; `mail_id` makes the Message-ID, the same at each try."""

    mail_id: uuid.UUID
    recipient: str
    did: str
    box: str
    caller: str
    area: str
    language: str
    timezone: str
    recorded_at: datetime
    seconds: float


def compose(said: Said, sound: bytes, sender: str) -> EmailMessage:
    """The mail; raises ValueError when the recipient or the sender is no address."""
    text = _TEXTS.get(said.language.partition("-")[0], _TEXTS["en"])
    local = said.recorded_at.astimezone(ZoneInfo(said.timezone))
    words = {
        "did": _clean(said.did),
        "caller": _clean(said.caller) or text.unknown,
        "area": text.unknown if said.area == "unknown" else _clean(said.area) or text.unknown,
        "time": f"{local.strftime(text.time)} ({said.timezone})",
        "seconds": str(round(said.seconds)),
        "box": _clean(said.box),
    }
    mail = EmailMessage()
    mail["Subject"] = text.subject.format_map(words)
    mail["From"] = sender
    mail["To"] = said.recipient
    mail["Date"] = format_datetime(said.recorded_at)
    mail["Message-ID"] = f"<{said.mail_id}@{sender.rpartition('@')[2] or 'callctl'}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday answers, please
    mail.set_content(text.body.format_map(words), cte="base64")
    name = f"{words['did']}-{local:%Y%m%d-%H%M%S}.wav"
    mail.add_attachment(sound, maintype="audio", subtype="wav", filename=name)
    return mail


def _clean(text: str) -> str:
    printable = "".join(one for one in text if one.isprintable())
    return printable.replace("=?", "= ?")[:_TEXT_LENGTH_MAX]
