"""The command `callctl`; `callctl --help` lists what it can do."""
