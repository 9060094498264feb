"""The console: one page in the browser with live calls, the last CDRs and balances."""

from callctl.console.page import build

__all__ = ["build"]
