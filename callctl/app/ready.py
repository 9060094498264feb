"""Tells whoever started this process that it is ready; called by app.switch and app.web.

The protocol is systemd's (sd_notify): callctl.stack listens for it, and so does a unit of
Type=notify. Without NOTIFY_SOCKET in the environment nothing is sent.
"""

import os
import socket


def tell_ready() -> None:
    """Send READY=1; a listener that has gone is not our trouble."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket: no file, no length of path to mind
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        try:
            notify.sendto(b"READY=1", address)
        except OSError:
            return
