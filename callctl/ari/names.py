"""What may become part of a request to Asterisk; every command of callctl.ari goes through here.

Ids, applications and endpoints are checked, all else is percent-encoded: no text from outside can
change the path of a request or the address of a call (R17, R19). Failing a check is InvalidInput.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote

from callctl.errors import InvalidInput

TIMEOUT_ABSOLUTE = "TIMEOUT(absolute)"
TIMEOUT_SECONDS_MIN = 1.0
TIMEOUT_SECONDS_MAX = 14_400.0

# Ids of ours are lower case; Asterisk's own ("1763820345.7", "…;2" of a Local pair) have . and ;
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,126}(?:;[12])?")
_ENDPOINT = re.compile(
    r"PJSIP/(?:[0-9A-Za-z+*#_-]{1,64}@)?[a-z0-9_-]{1,64}"
    r"|Local/[0-9A-Za-z+*#_-]{1,64}@[a-z0-9_-]{1,64}"
)
_APP = re.compile(r"[a-z][a-z0-9_-]{0,30}")
_WORD = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")
_BRIDGE_TYPE = re.compile(r"(?:mixing|holding)(?:,(?:dtmf_events|proxy_media))*")
_FORMATS = re.compile(r"[a-z0-9]{1,20}(?:,[a-z0-9]{1,20}){0,9}")
_MODULE = re.compile(r"[a-z0-9_]{1,64}\.so")
_RECORDING = re.compile(r"[a-z0-9][a-z0-9-]{0,79}")
_MEDIA = re.compile(r"(?:sound|tone|digits|number):[0-9A-Za-z/_.=;-]{1,200}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z]{2,8})?")
_SECONDS = re.compile(r"[0-9]{1,5}(?:\.[0-9]{1,3})?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def _checked(pattern: re.Pattern[str], what: str, text: str, remedy: str) -> str:
    if pattern.fullmatch(text) is None:
        raise InvalidInput(f"{what} {text!r} is not allowed in a request to Asterisk: {remedy}")
    return text


def object_id(text: str) -> str:
    """Check the id of a channel, bridge or playback: lower-case letters, digits, - _ and dot."""
    return _checked(_ID, "id", text, "use lower-case letters, digits and -")


def endpoint(text: str) -> str:
    """Check an endpoint such as PJSIP/01012345678@carrier: no second slash, no SIP address."""
    return _checked(_ENDPOINT, "endpoint", text, "write PJSIP/NUMBER@TRUNK, from the directory")


def app(text: str) -> str:
    """Check the name of a Stasis application or a user event."""
    return _checked(_APP, "name", text, "use up to 31 lower-case letters, digits, - and _")


def word(text: str) -> str:
    """Check a context or an extension of the dialplan."""
    return _checked(_WORD, "context or extension", text, "use letters, digits, - and _")


def bridge_type(text: str) -> str:
    """Check a bridge's type: mixing or holding, with dtmf_events and proxy_media if wanted."""
    return _checked(_BRIDGE_TYPE, "bridge type", text, "write mixing or holding")


def formats(text: str) -> str:
    """Check a list of codecs such as alaw,ulaw."""
    return _checked(_FORMATS, "codec list", text, "write names with commas, as alaw,ulaw")


def module(text: str) -> str:
    """Check the file name of an Asterisk module, such as res_ari.so."""
    return _checked(_MODULE, "module", text, "write a file name such as res_ari.so")


def media(text: str) -> str:
    """Check a media URI such as sound:callctl/ringback; a comma would make it two."""
    return _checked(_MEDIA, "media", text, "write sound:PATH, tone:NAME, digits:N or number:N")


def recording(text: str) -> str:
    """Check the name of a recording, which becomes the name of a file: no path, no dots."""
    return _checked(_RECORDING, "recording", text, "use lower-case letters, digits and -")


def language(text: str) -> str:
    """Check a language such as zh or zh-CN; returns zh_CN, which Asterisk lets fall back to zh."""
    return _checked(_LANGUAGE, "language", text, "write one such as zh or zh-CN").replace("-", "_")


def printable(what: str, text: str) -> str:
    """Refuse control characters, which Asterisk would put into a SIP header as they are (R18)."""
    if _CONTROL.search(text):
        raise InvalidInput(f"{what} {text!r} holds control characters: strip them first")
    return text


def timeout_seconds(seconds: float) -> str:
    """Return a value for TIMEOUT(absolute) that cannot mean "no limit" (R3): 1.000 to 14400.000."""
    if not TIMEOUT_SECONDS_MIN <= seconds <= TIMEOUT_SECONDS_MAX:
        raise InvalidInput(
            f"a leg's time of {seconds} s is outside [1, 14400]: hang up instead of setting it"
        )
    return f"{seconds:.3f}"


def variables(values: Mapping[str, str]) -> dict[str, str]:
    """Check the variables of a new channel; a TIMEOUT(absolute) among them is a safe decimal."""
    for name, value in values.items():
        printable(f"variable {name}", value)
        if name.upper() == TIMEOUT_ABSOLUTE.upper():
            _checked(_SECONDS, TIMEOUT_ABSOLUTE, value, "write a plain decimal such as 30.000")
            timeout_seconds(float(value))
    return dict(values)


def query(values: Mapping[str, str | int | None]) -> str:
    """Percent-encode a query string, leaving out what is None; "" or "?name=value&..."."""
    parts = [f"{name}={quote(str(v), safe='')}" for name, v in values.items() if v is not None]
    return "?" + "&".join(parts) if parts else ""
