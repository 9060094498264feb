"""Asterisk's site files: what differs from one Asterisk to the next; written by stack.asterisk.

asterisk-conf/ is the same everywhere and includes these by name from /etc/asterisk-generated.
"""

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from callctl.stack.ports import Ports

USER = "callctl"


@dataclass(frozen=True, slots=True)
class Passwords:
    """The passwords of the one ARI user and the one AMI user, both named `callctl`."""

    ari: str
    ami: str


def passwords(path: Path) -> Passwords:
    """The instance's passwords: read from `path`, or made once and kept there, mode 0600."""
    if not path.exists():
        made = Passwords(ari=secrets.token_hex(20), ami=secrets.token_hex(20))
        write_private(path, json.dumps(asdict(made)))
    return Passwords(**json.loads(path.read_text()))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, from its first byte on."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)


def site_files(ports: Ports, keys: Passwords, *, bench: bool) -> dict[str, str]:
    """File name -> content. With `bench`, calls from 127.0.0.2 go to plain Dial()."""
    return {
        "http.conf": f"bindaddr = 127.0.0.1\nbindport = {ports.ari}\n",
        "ari.conf": f"[{USER}]\ntype = user\nread_only = no\npassword = {keys.ari}\n",
        "manager.conf": _manager(ports, keys),
        "pjsip.conf": _pjsip(ports) + (_BENCH if bench else ""),
        "rtp.conf": f"rtpstart = {ports.rtp_first}\nrtpend = {ports.rtp_last}\n",
    }


def _manager(ports: Ports, keys: Passwords) -> str:
    return f"""\
port = {ports.ami}

[{USER}]
secret = {keys.ami}
deny = 0.0.0.0/0.0.0.0
permit = 127.0.0.1/255.255.255.255
read = system
write = system,command,reporting
"""


def _pjsip(ports: Ports) -> str:
    return f"""\
[udp]
type = transport
protocol = udp
bind = 127.0.0.1:{ports.sip}

[carrier](trunk)
aors = carrier
media_address = 127.0.0.1

[carrier]
type = aor
contact = sip:127.0.0.1:{ports.carrier}

[carrier]
type = identify
endpoint = carrier
match = 127.0.0.1
"""


_BENCH = """
[bench](trunk)
context = bench-plain
media_address = 127.0.0.1

[bench]
type = identify
endpoint = bench
match = 127.0.0.2
"""
