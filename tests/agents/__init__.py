"""Real SIP user agents for the tests and the demo: callers, and a carrier with its lines.

They speak and hear pure tones over real RTP, so what a side heard is a frequency and a time.

    async with Carrier(26010) as carrier, Caller() as caller:
        carrier.line("01062000001", Answers(voice_hz=440))
        call = await caller.call("4001234567", server=("127.0.0.1", 26000), from_number="010...")
        await call.answered()
        await call.hears(440)
        received = await carrier.called("01062000001")
        await received.hears(caller.voice_hz)
        outcome = await call.hang_up()
"""

from tests.agents.call import Outcome
from tests.agents.caller import Caller, PlacedCall
from tests.agents.carrier import (
    Answers,
    Behaviour,
    Busy,
    Carrier,
    Mailbox,
    NoAnswer,
    ReceivedCall,
    Rejects,
    Together,
    Unreachable,
)
from tests.agents.timeline import AgentFailure
from tests.agents.tones import Tone

__all__ = [
    "AgentFailure",
    "Answers",
    "Behaviour",
    "Busy",
    "Caller",
    "Carrier",
    "Mailbox",
    "NoAnswer",
    "Outcome",
    "PlacedCall",
    "ReceivedCall",
    "Rejects",
    "Together",
    "Tone",
    "Unreachable",
]
