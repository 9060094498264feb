"""What the numbers of a file are answered with, and what is outside the file; for provisioned.

Calendars that are provisioned already, audio that was uploaded, and numbers of other tenants, from
which a call would come back to the file's.
"""

from collections.abc import Iterator

from callctl.db.pool import Connection
from callctl.db.queries import queries
from callctl.directory.document import Document, TenantEntry
from callctl.directory.rows import Rows
from callctl.directory.yaml_tree import Path, listed
from callctl.errors import Problem
from callctl.values.phone_number import PhoneNumber

# The fields of a tenant's entries that name prompts; queue and greeting have theirs within.
_PROMPT_FIELDS = {
    "lists": ("announcement",),
    "groups": ("ringback",),
    "menus": ("prompt", "wrong_prompt"),
    "messages": ("prompt",),
    "voicemails": ("greeting",),
    "dids": ("ringback",),
}


async def answering_problems(
    connection: Connection, document: Document, rows: Rows
) -> list[Problem]:
    """All that contradicts what is there."""
    return [
        *_calendar_problems(document, rows),
        *await _audio_problems(connection, document),
        *await _loop_problems(connection, document),
    ]


def calendar_names(document: Document, rows: Rows) -> set[str]:
    """The calendars of the file and those that are provisioned."""
    own = {calendar.name for calendar in document.calendars}
    return own | {row["name"] for row in rows.calendars}


def missing_calendar_message(name: str, known: set[str]) -> str:
    """What to say of a calendar that there is none of."""
    return (
        f"there is no calendar {name!r}{listed(known)}: add it to this file; "
        "callctl calendar CN 2026 writes one"
    )


def _calendar_problems(document: Document, rows: Rows) -> Iterator[Problem]:
    known = calendar_names(document, rows)
    for index, tenant in enumerate(document.tenants):
        if tenant.calendar is not None and tenant.calendar not in known:
            message = missing_calendar_message(tenant.calendar, known)
            yield document.problem(("tenants", index, "calendar"), message)


async def _audio_problems(connection: Connection, document: Document) -> list[Problem]:
    """Own audio that was not uploaded: what has no slash in its name."""
    used = [
        (path, document.tenants[index].name, prompt)
        for index, tenant in enumerate(document.tenants)
        for path, prompt in _prompts(tenant, ("tenants", index))
        if "/" not in prompt
    ]
    tenants = sorted({tenant for _, tenant, _ in used})
    found = await queries.find_audio(connection, tenants=tenants) if used else []
    known: dict[str, list[str]] = {}
    for row in found:
        known.setdefault(row["tenant"], []).append(row["name"])
    return [
        document.problem(
            path,
            f"{tenant} has no audio {prompt!r}{listed(known.get(tenant, ()))}: upload it by "
            f"callctl audio add {tenant} {prompt} FILE (callctl's own begin with callctl/)",
        )
        for path, tenant, prompt in used
        if prompt not in known.get(tenant, ())
    ]


def _prompts(tenant: TenantEntry, path: Path) -> Iterator[tuple[Path, str]]:
    """Every prompt that a tenant's entries name."""
    for kind, fields in _PROMPT_FIELDS.items():
        for position, entry in enumerate(getattr(tenant, kind)):
            for name in fields:
                prompt = getattr(entry, name)
                if prompt is not None:
                    yield (*path, kind, position, name), prompt
    for position, group in enumerate(tenant.groups):
        if group.queue:
            yield (*path, "groups", position, "queue", "music"), group.queue.music
    for position, did in enumerate(tenant.dids):
        if did.greeting:
            yield (*path, "dids", position, "greeting"), did.greeting.prompt


async def _loop_problems(connection: Connection, document: Document) -> list[Problem]:
    """Lines that are DIDs of other tenants, and DIDs that are lines of other tenants."""
    names = [tenant.name for tenant in document.tenants]
    lines: dict[str, list[tuple[Path, str]]] = {}  # by how a DID would be written
    dids: dict[str, tuple[Path, str]] = {}  # by how a line is stored
    for index, tenant in enumerate(document.tenants):
        for position, line in enumerate(tenant.lines):
            path: Path = ("tenants", index, "lines", position, "number")
            number = PhoneNumber.parse(line.number)
            for text in {number.national, number.dial_digits}:
                lines.setdefault(text, []).append((path, line.name))
        for position, did in enumerate(tenant.dids):
            path = ("tenants", index, "dids", position, "number")
            dids[PhoneNumber.parse(did.number).text] = (path, did.number)
    problems = []
    for row in await queries.find_did_owners(connection, numbers=list(lines)):
        if row["tenant"] not in names:
            message = f"this is DID {row['number']} of {row['tenant']}, so calls would go round: "
            message += "write the number that answers"
            problems += [document.problem(path, message) for path, _ in lines[row["number"]]]
    for row in await queries.find_line_owners(connection, numbers=list(dids), tenants=names):
        path, did_number = dids[row["number"]]
        message = (
            f"{did_number} is line {row['name']} of {row['tenant']}, so calls would go round: "
        )
        problems.append(document.problem(path, message + "change that line first"))
    return problems
