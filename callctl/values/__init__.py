"""The words of the trade as frozen values: money, numbers, causes, ids. No I/O."""
