"""How callctl logs: one JSON object a line, by structlog; set up once by each process's entry.

One `call_ended` line per call with everything; all else is debug. `call_id` is bound by the
exchange. Telephone numbers are masked by a processor (the last four digits stay off the log).
"""

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

_NUMBER_KEYS = ("caller", "dialled", "number", "digits")


def mask_numbers(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Replace the last four characters of telephone numbers by stars."""
    for key in _NUMBER_KEYS:
        value = event.get(key)
        if isinstance(value, str) and len(value) > 4:
            event[key] = value[:-4] + "****"
    return event


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Set structlog up for this process; `level` is a name of the logging module's levels."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            mask_numbers,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(file=stream or sys.stderr),
        cache_logger_on_first_use=True,
    )
