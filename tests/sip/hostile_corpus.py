"""Hostile strings, the same ones each time: what strangers put where a number or a name belongs.

`corpus` varies the seeds below by what real attacks do to them: other quotes, case and lengths,
numbers before and behind, characters of other scripts, encodings of encodings, two at once.
"""

import random
from collections.abc import Iterator

CORPUS_SIZE = 10_000
_SEED = 400
_LENGTH_MAX = 1_200

_SQL = (
    *("' OR 1=1;--", "'; DROP TABLE cdrs; --", '" OR ""="', "1) UNION SELECT * FROM accounts--"),
    *("'||pg_sleep(10)||'", "$$;TRUNCATE transfers;$$", "%' AND '1'='1", "\\'; COPY x TO '/tmp/x"),
    *("0x27204f5220313d31", "';SELECT pg_terminate_backend(pid) FROM pg_stat_activity;--"),
    *("1;NOTIFY callctl_directory,'1'", "NULL", "'::bigint", "{{{}}}", ":did", "%s", "?"),
)
_SHELL = (
    *("`id`", "$(reboot)", "; rm -rf / ;", "| nc 127.0.0.1 1", "&& touch /tmp/x", "\n/bin/sh\n"),
    *("$IFS$9", "${PATH}", "../../bin/sh", ">/etc/passwd", "!!", "~root", "* ", "#!/bin/sh"),
)
_DIALPLAN = (
    *("${SHELL(id)}", "$[1/0]", "${EVAL(${X})}", "${CALLERID(all)}", "${DB(a/b)}", "${ENV(PATH)}"),
    *("&PJSIP/evil@evil", "/sip:x@127.0.0.1:5999", "@from-carrier", ",1,1", "(x)", "^SHELL(id)^"),
    *(
        "Local/s@callctl-away/n",
        "PJSIP/carrier/sip:x@127.0.0.1",
        "|tT",
        ")Hangup(",
        "*22*4001234567",
    ),
    *("TIMEOUT(absolute)=0", "${CURL(http://127.0.0.1)}", "${FILE(/etc/passwd)}", "_X.", "T", "e"),
)
_SIP = (
    *("\r\nX-Evil: 1", "\r\n\r\nINVITE sip:1@x SIP/2.0\r\n", "\nVia: x", "\rX-Evil: 1", ";tag=x"),
    *("<sip:evil@evil>", "sip:1@2", ";phone-context=+86", "?Replaces=x", ">,<sip:evil@evil>"),
    *(
        '"',
        '\\"',
        "\\",
        "<",
        ">",
        "@",
        ":password",
        ";lr",
        ";transport=tcp",
        "%00",
        "%0d%0a",
        "%25",
    ),
    *("anonymous@anonymous.invalid", "Q.850;cause=1", "SIP/2.0", "tel:+1;isub=x", ";user=phone"),
)
_HTML = (
    *("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)"),
    *("&lt;script&gt;", "<svg/onload=x>", "{{7*7}}", "{% include 'x' %}", "<!--", "]]>", "&#0;"),
    *("<iframe src=//evil>", "' onmouseover='x", "</td></table>", "[bold]x[/bold]"),
)
_PATHS = (
    *("../../../etc/passwd", "..\\..\\x", "/dev/null", "C:\\x", "file:///etc/passwd", "~/.ssh/id"),
    *("a/../../b.wav", "x.wav\x00.sh", "CON", ".", "..", "-rf", "--help", "x" * 300 + ".wav"),
)
_FORMATS = (
    *(
        "%s%s%s%n",
        "%x" * 20,
        "%99999d",
        "{0.__class__}",
        "{call_id!r}",
        "%(caller)s",
        "\\x41\\u0041",
    ),
    *("{" * 50, "NaN", "1e309", "-0", "+", "0x10", "1_000", "９９９", "٣٤٥", "²", "½", "1e9"),
)
_UNICODE = (
    *("\u202e1000931", "\u200b", "\ufeff", "\u2066x\u2069", "\u0000", "\ud7ff", "\uffff", "\u0085"),
    *(
        "\u2028",
        "\u2029",
        "e\u0301" * 30,
        "\U0001f600",
        "Ａｄｍｉｎ",
        "аdmin",
        "ß",
        "İ",
        "﷽",
        "\u0600",
    ),
    *("张三", "x\u0300" * 60, "\u1d00", "\U000e0041", "\u180e", "\u3000", "\u00a0", "\u00ad"),
)
_TERMINAL = (
    *("\x1b[2J", "\x1b]0;x\x07", "\x1b[31mred\x1b[0m", "\x9b1m", "\x08\x08\x08", "\x7f", "\x07"),
    *("\x0b", "\x0c", "\x00", "\x01\x02\x03", "\x1a", "\t", "\x85", "\x1bc", "\x1b[6n"),
)
_LOGS = (
    *('{"event": "call_ended"}', '","level":"error","x":"', "\n{}", "\\n", "\\u0000", "null", "[]"),
    *("2026-01-01 ERROR", "=cmd|' /C calc'!A0", "@SUM(1+1)", "+1+cmd|x", "-2+3", "$((1+1))"),
)
_BYTES = tuple(
    raw.decode("utf-8", "surrogateescape")
    for raw in (
        *(b"\xff\xfe", b"\x80", b"\xc3(", b"\xed\xa0\x80", b"\xf0(\x8c(", b"\xc0\x80", b"\xe2\x82"),
        *(
            b"\xb0\xa1\xb0\xa1",
            b"\xfe\xff",
            b"\xc0\xae\xc0\xae/",
            b"\xe0\x80\xa2",
            b"\xf8\x88\x80\x80",
        ),
    )
)
_NUMBERS = ("138", "01062000001", "+8613901710001", "4001234567", "95588", "1" * 79, "0" * 400, "")
SEEDS = (
    *(*_SQL, *_SHELL, *_DIALPLAN, *_SIP, *_HTML, *_PATHS, *_FORMATS),
    *(*_UNICODE, *_TERMINAL, *_LOGS, *_BYTES),
)
_QUOTES = ("'", '"', "`", "’", "\\'", "''")


def corpus(size: int = CORPUS_SIZE) -> list[str]:
    """That many different strings. Bytes that are no UTF-8 are surrogates (surrogateescape)."""
    found = dict.fromkeys(SEEDS)
    chance = random.Random(_SEED)
    while len(found) < size:
        found[_varied(chance)] = None
    return list(found)


def _varied(chance: random.Random) -> str:
    text = chance.choice(SEEDS)
    for vary in chance.sample(_VARIATIONS, chance.randint(1, 3)):
        text = vary(text, chance)
    return text[:_LENGTH_MAX]


def _numbered(text: str, chance: random.Random) -> str:
    number = chance.choice(_NUMBERS)
    return number + text if chance.random() < 0.7 else text + number


def _doubled(text: str, chance: random.Random) -> str:
    return text + chance.choice(SEEDS)


def _repeated(text: str, chance: random.Random) -> str:
    return text * chance.choice((2, 3, 17, 100))


def _quoted(text: str, chance: random.Random) -> str:
    quote = chance.choice(_QUOTES)
    return f"{quote}{text}{quote}" if chance.random() < 0.5 else text.replace("'", quote)


def _encoded(text: str, chance: random.Random) -> str:
    """Encoded once more than it will be, so that decoding once too often is seen."""
    share = chance.random()
    return "".join(_percent(char) if chance.random() < share else char for char in text)


def _recased(text: str, chance: random.Random) -> str:
    return "".join(chance.choice((char.lower(), char.upper())) for char in text)


def _sprinkled(text: str, chance: random.Random) -> str:
    """With control and foreign characters between."""
    place = chance.randrange(len(text) + 1)
    return text[:place] + chance.choice(_TERMINAL + _UNICODE + _BYTES) + text[place:]


def _counted(text: str, chance: random.Random) -> str:
    return f"{text}{chance.randrange(10**9)}"


_VARIATIONS = (
    _numbered,
    _doubled,
    _repeated,
    _quoted,
    _encoded,
    _recased,
    _sprinkled,
    _counted,
)


def _percent(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in to_bytes(text))


def to_bytes(text: str) -> bytes:
    """The string on the wire."""
    return text.encode("utf-8", "surrogateescape")


def uri_user(text: str) -> bytes:
    """The string as the user of a SIP URI: each byte that may not stand there as %hh."""
    return b"".join(_uri_bytes(text))


def _uri_bytes(text: str) -> Iterator[bytes]:
    for byte in to_bytes(text):
        char = chr(byte)
        safe = char.isascii() and (char.isalnum() or char in "-_.!~*'()&=+$,;?/")
        yield bytes([byte]) if safe else b"%%%02x" % byte


def quoted_string(text: str) -> bytes:
    """The string as a display name: quoted, and nothing in it that would end the header."""
    escaped = _without_nul(text).replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b'"' + escaped.replace(b"\r", b"\\\r").replace(b"\n", b"\\\n") + b'"'


def header_value(text: str) -> bytes:
    """The string as a header's value as it is; line ends make headers of its rest."""
    return _without_nul(text)


def _without_nul(text: str) -> bytes:
    """A raw NUL would end the whole message; in a URI it is sent as %00."""
    return to_bytes(text).replace(b"\x00", b"")
