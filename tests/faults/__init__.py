"""Faults of every family on the real stack: what breaks, what must still hold, in a report."""
