"""What a mail quotes of others is not longer than people read."""

from dataclasses import replace

from callctl.voicemail.mail import compose
from tests.unit.voicemail.test_mail import SAID, SENDER


def test_words_of_others_are_cut() -> None:
    """A caller's number or a box's name of any length leaves a mail that can be read."""
    mail = compose(replace(SAID, caller="9" * 500, box="n" * 500), b"RIFF", SENDER)
    body = mail.get_body(("plain",))
    assert body is not None
    text = body.get_content()
    for word in ("9", "n"):
        assert word * 80 in text
        assert word * 81 not in text
    assert "9" * 81 not in str(mail["Subject"])
