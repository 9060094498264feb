"""Tells whoever started this process how it is; called by app.switch, app.web and app.watchdog.

The protocol is systemd's (sd_notify): callctl.stack listens for it, and so does a unit of
Type=notify. Without NOTIFY_SOCKET in the environment nothing is sent.
"""

import os
import socket


def tell_ready(status: str = "") -> None:
    """Say that it is ready; `status` is what systemctl shows of it from now on."""
    notify(f"READY=1\nSTATUS={status}")


def notify(message: str) -> None:
    """Send it without waiting; a listener that has gone, or does not listen, is not our trouble."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket: no file, no length of path to mind
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.setblocking(False)
        try:
            listener.sendto(message.encode(), address)
        except OSError:
            return
