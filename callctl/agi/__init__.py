"""FastAGI look-ups for plain dialplans: agi://HOST/area; served by the web process."""

from callctl.agi.server import AgiServer

__all__ = ["AgiServer"]
