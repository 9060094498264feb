"""What the prompts of asterisk-conf/sounds begin with, by which a test knows them when heard."""

from tests.agents.tones import know

# language ("": any that has no prompt of its own), name -> frequency of the first tone in Hz
PROMPT_HZ: dict[tuple[str, str], int] = {
    ("", "unavailable"): 1000,
    ("", "ringback-demo"): 620,
    ("", "warning"): 1400,
    ("", "final"): 1250,
    ("zh", "warning"): 1550,
    ("zh", "final"): 1700,
    ("en", "warning"): 1850,
    ("en", "final"): 2000,
    ("fr", "warning"): 2200,
    ("fr", "final"): 2350,
}

for _hz in PROMPT_HZ.values():
    know(_hz)  # a prompt may sound into somebody's voice
