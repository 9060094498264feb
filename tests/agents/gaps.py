"""What of a talk is not heard: counts frames between two calls of agents that are joined."""

from collections.abc import Callable

from tests.agents.call import AgentCall


def unheard(speaker: AgentCall, listener: AgentCall) -> Callable[[], int]:
    """Counts the frames that one has spoken from now on and the other has not heard.

    It fails when the voice was not one stretch: another sound was heard, or silence.
    """
    voice, stretches = listener.tones[-1], len(listener.tones)
    spoken, heard = speaker.media.packets_sent, voice.frames

    def count() -> int:
        assert len(listener.tones) == stretches, listener.told()
        return speaker.media.packets_sent - spoken - (voice.frames - heard)

    return count
