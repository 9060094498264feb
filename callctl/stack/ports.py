"""The ports of one stack on loopback; made by the cli, the demo, the tests and the bench."""

from dataclasses import dataclass

_RTP_PORTS = 1000


@dataclass(frozen=True, slots=True)
class Ports:
    """Every port that one stack listens on; all on 127.0.0.1."""

    sip: int
    carrier: int
    """Where the carrier side of the trunk listens: a test agent, or the site's gateway."""
    ari: int
    ami: int
    agi: int
    api: int
    metrics: int
    postgres: int
    rtp_first: int
    rtp_last: int

    @classmethod
    def at(cls, base: int) -> "Ports":
        """The ports of a test stack, counted from `base`, which takes [base, base + 2000)."""
        return cls(
            sip=base,
            carrier=base + 10,
            ari=base + 1,
            ami=base + 2,
            agi=base + 3,
            api=base + 4,
            metrics=base + 6,
            postgres=base + 5,
            rtp_first=base + _RTP_PORTS,
            rtp_last=base + 2 * _RTP_PORTS - 1,
        )

    @classmethod
    def usual(cls) -> "Ports":
        """The ports that a telephone engineer expects, for `make run`."""
        return cls(
            sip=5060,
            carrier=5070,
            ari=8088,
            ami=5038,
            agi=4573,
            api=8080,
            metrics=9464,
            postgres=55432,
            rtp_first=10000,
            rtp_last=20000,
        )
