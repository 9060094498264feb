"""FastAGI look-ups for plain dialplans: agi://HOST/route and others; served by the web process."""

from callctl.agi.look_ups import LookUps
from callctl.agi.server import AgiServer

__all__ = ["AgiServer", "LookUps"]
