"""A voicemail as an e-mail: what it says in each language, and what nobody can make it say."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from callctl.voicemail.mail import Said, compose

SAID = Said(
    mail_id=uuid.UUID(int=7),
    recipient="desk@example.cn",
    did="4001234567",
    box="night",
    caller="+8613901710001",
    area="上海",
    language="zh",
    timezone="Asia/Shanghai",
    recorded_at=datetime(2026, 11, 25, 14, 5, tzinfo=UTC),
    seconds=12.6,
)
SENDER = "callctl@example.cn"
HEADERS = {
    *("subject", "from", "to", "date", "message-id", "auto-submitted"),
    *("mime-version", "content-type"),
}


def _sent(said: Said, sound: bytes = b"RIFF") -> EmailMessage:
    """The mail as it arrives: through bytes and back."""
    raw = compose(said, sound, SENDER).as_bytes(policy=policy.SMTP)
    return message_from_bytes(raw, _class=EmailMessage, policy=policy.default)


def _text(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


@pytest.mark.parametrize(
    ("language", "subject", "time", "length"),
    [
        ("zh", "4001234567 的语音留言：+8613901710001（上海）", "2026年11月25日 22:05", "13 秒"),
        ("zh-CN", "4001234567 的语音留言：+8613901710001（上海）", "2026年11月25日", "13 秒"),
        ("en", "Voicemail for 4001234567 from +8613901710001 (上海)", "2026-11-25 22:05", "13 s"),
        (
            "fr",
            "Message vocal pour le 4001234567, de +8613901710001 (上海)",
            "25/11/2026 22:05",
            "13 s",
        ),
        ("de", "Voicemail for 4001234567 from +8613901710001 (上海)", "2026-11-25", "13 s"),
    ],
)
def test_mail_speaks_the_tenants_language(
    language: str, subject: str, time: str, length: str
) -> None:
    """Number, caller, area, time and length are told in the tenant's language, else English."""
    mail = _sent(replace(SAID, language=language))

    assert mail["Subject"] == subject
    for word in ("4001234567", "+8613901710001", "上海", time, length, "night"):
        assert word in _text(mail)


@pytest.mark.parametrize(
    ("language", "word"), [("zh", "未知"), ("en", "unknown"), ("fr", "inconnu")]
)
def test_unknown_caller_has_a_word_in_each_language(language: str, word: str) -> None:
    """A caller without number and area is told as unknown."""
    mail = _sent(replace(SAID, language=language, caller="", area="unknown"))

    assert str(mail["Subject"]).count(word) == 2


def test_sound_is_attached_whole() -> None:
    """The file comes out of the mail byte by byte, as audio with a name of ours."""
    sound = bytes(range(256)) * 40
    [attached] = _sent(SAID, sound).iter_attachments()

    assert attached.get_content() == sound
    assert attached.get_content_type() == "audio/wav"
    assert attached.get_filename() == "4001234567-20261125-220500.wav"


def test_message_id_is_the_same_at_each_try() -> None:
    """Two tries of one mail have one Message-ID, and two mails have two."""
    assert _sent(SAID)["Message-ID"] == _sent(SAID)["Message-ID"]
    other = replace(SAID, mail_id=uuid.UUID(int=8))
    assert _sent(SAID)["Message-ID"] != _sent(other)["Message-ID"]


@pytest.mark.parametrize(
    "hostile",
    [
        "138\r\nBcc: spy@example.com",
        "\n\n.\r\nQUIT",
        "=?utf-8?q?x=0D=0ABcc:_spy@example.com?=",
        "\x00\x1b[2J\u202e\u2028Bcc: spy@example.com",
        "{did.__class__}" * 40,
    ],
)
@pytest.mark.parametrize("field", ["caller", "area", "box", "did"])
def test_hostile_text_adds_no_header(hostile: str, field: str) -> None:
    """Whatever stands in a call's text, the mail has its own headers and no other."""
    mail = _sent(replace(SAID, **{field: hostile}))  # type: ignore[arg-type]

    assert {name.lower() for name in mail} == HEADERS
    assert len(mail) == len(HEADERS)
    assert str(mail["To"]) == "desk@example.cn"
    assert len([*mail.iter_attachments()]) == 1
    assert "\n" not in str(mail["Subject"])


@pytest.mark.parametrize("recipient", ["a@b.cn\r\nBcc: spy@example.com", "a@b.cn\nX: y"])
def test_recipient_with_a_line_break_is_refused(recipient: str) -> None:
    """An address that would begin another header makes no mail."""
    with pytest.raises(ValueError, match="linefeed"):
        compose(replace(SAID, recipient=recipient), b"", SENDER)
