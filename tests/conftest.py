"""Fixtures that every kind of test may ask for; each lives in its own plugin."""

pytest_plugins = [
    "tests.plugins.asterisk",
    "tests.plugins.database",
    "tests.plugins.mailbox",
    "tests.plugins.world",
]
