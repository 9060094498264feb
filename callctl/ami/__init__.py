"""The manager interface: short sessions that ask Asterisk what ARI has no word for."""

from callctl.ami.session import AmiReply, AmiSession, open_session

__all__ = ["AmiReply", "AmiSession", "open_session"]
