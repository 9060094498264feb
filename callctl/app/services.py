"""What lives as long as the switch process: database, directory, ledger, lines, queues, files.

Opened by app.switch once the switch owns its Asterisk; `run_all` is what goes on beside the calls.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from callctl import clock
from callctl.audio.library import SoundLibrary
from callctl.callbacks import Callbacks
from callctl.cdr import Journal, Spool
from callctl.charging import ANSWER_SECONDS_MAX, InDoubt, LimitBook, Neighbours, SlicePolicy
from callctl.db.lease import Owner
from callctl.db.pool import Database
from callctl.directory.area_book import AreaBook
from callctl.directory.manual_switch import ManualSwitches
from callctl.directory.store import DirectoryWatch
from callctl.errors import DatabaseUnavailable
from callctl.flows.caller_rate import CallerRates
from callctl.flows.desk import Desk
from callctl.flows.waiting import is_open
from callctl.ledger import Teller
from callctl.queues import LineBook, Queues
from callctl.recording import Folder, Recordings, Retention
from callctl.settings import Settings
from callctl.voicemail import Mailer, SmtpServer, Voicemails

_OVERDUE_SECONDS, _OVERDUE_AT_ONCE = 60.0, 1000  # how often, and how many at a time
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Services:
    """The open services; `beside` runs what follows changes, sends, and tidies up."""

    database: Database
    desk: Desk
    spool: Spool
    watch: DirectoryWatch
    areas: AreaBook
    library: SoundLibrary
    mailer: Mailer
    retention: Retention
    dsn: str

    def beside(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What runs for as long as calls are taken, by name."""
        return {
            "directory": self.watch.run(),
            "areas": self.areas.run(self.database, self.dsn),
            "sounds": self.library.run(),
            "lines": self.desk.lines.run(),
            "queues": self.desk.queues.run(),
            "mailer": self.mailer.run(),
            "retention": self.retention.run(),
            "spool": self.spool.run(),
            "in doubt": self.desk.in_doubt.run(self.desk.teller),
            "overdue": _give_back_overdue(self.desk.teller),
        }


@asynccontextmanager
async def open_services(
    settings: Settings,
    dsn: str,
    database: Database,
    owner: Owner | None,
    is_database_up: Callable[[], bool] = lambda: True,
) -> AsyncIterator[Services]:
    """Open them; closed in reverse, teller and journal drained. Raises DatabaseError, OSError."""
    async with AsyncExitStack() as opened:
        library = SoundLibrary(database, settings.sounds_folder)
        watch = DirectoryWatch(database, dsn, before_use=library.refresh)
        areas = AreaBook()
        await watch.reload()
        await areas.load(database)
        teller, journal = Teller(database, owner=owner), Journal(database, owner=owner)
        lines = LineBook(database, dsn)
        queues = Queues(database, dsn, lines, is_open=is_open)
        spool = Spool(journal, settings.cdrs_folder, is_up=is_database_up)
        for service in (teller, journal, spool, lines, queues):
            await service.start()
            opened.push_async_callback(service.stop)
        folder = await asyncio.to_thread(Folder, settings.recordings_dir)
        voicemails = Voicemails(database, folder)
        desk = Desk(
            directory=lambda: watch.current,
            area_of=areas.area_of,
            teller=teller,
            limits=LimitBook(database),
            neighbours=Neighbours(),
            in_doubt=InDoubt(),
            journal=journal,
            policy=SlicePolicy(settings.slice_seconds, settings.renew_lead_seconds),
            lines=lines,
            queues=queues,
            caller_rates=CallerRates(),
            voicemails=voicemails,
            recordings=Recordings(database, folder),
            callbacks=Callbacks(database),
            switches=ManualSwitches(database),
            is_database_up=lambda: is_database_up() and _takes_writes(teller, journal),
        )
        yield Services(
            database=database,
            desk=desk,
            spool=spool,
            watch=watch,
            areas=areas,
            library=library,
            mailer=Mailer(database, dsn, voicemails, _smtp(settings)),
            retention=Retention(database, folder),
            dsn=dsn,
        )


def _takes_writes(teller: Teller, journal: Journal) -> bool:
    """Whether PostgreSQL does what a new call needs; with a full disk it may answer all else."""
    silent_seconds = max(teller.load.silent_seconds, journal.load.silent_seconds)
    return silent_seconds < ANSWER_SECONDS_MAX


def _smtp(settings: Settings) -> SmtpServer:
    return SmtpServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        user=settings.smtp_user,
        password=settings.smtp_password,
        sender=settings.smtp_sender,
        is_starttls=settings.smtp_starttls,
    )


async def _give_back_overdue(teller: Teller) -> None:
    """Now and then give back what reservations still hold long after their paid time."""
    while True:
        try:
            count = await teller.expire_due(_OVERDUE_AT_ONCE)
        except DatabaseUnavailable as error:
            _log.warning("overdue_not_given_back", error=str(error))
        else:
            if count:
                _log.warning("overdue_given_back", reservations=count)
        await clock.sleep(_OVERDUE_SECONDS)
