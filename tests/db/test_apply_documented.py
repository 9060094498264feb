"""docs/provisioning.md: its examples are applied, and its tables have every field and no other."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

import callctl
from callctl.db.pool import Database
from callctl.directory import answering_entries, document, number_entries, price_entries
from callctl.directory.answering import Strategy, TargetKind
from callctl.directory.apply import Plan
from callctl.directory.calendars import dump
from tests.db.provisioning import apply_text, exported, loaded

PAGE = (Path(callctl.__file__).resolve().parent.parent / "docs" / "provisioning.md").read_text()
OWN_AUDIO = ("welcome", "branches", "moved")
TABLES: dict[str, list[type[BaseModel]]] = {
    "calendars": [price_entries.CalendarEntry],
    "tariffs": [price_entries.TariffEntry, price_entries.RateEntry, price_entries.BandEntry],
    "resellers": [document.ResellerEntry],
    "tenants": [document.TenantEntry],
    "account": [document.TenantAccountEntry],
    "limits": [number_entries.LimitsEntry],
    "schedules": [answering_entries.ScheduleEntry, answering_entries.SpecialDaysEntry],
    "lists": [answering_entries.ListEntry],
    "screening": [answering_entries.ScreeningEntry],
    "lines": [number_entries.LineEntry],
    "groups": [answering_entries.GroupEntry, answering_entries.QueueEntry],
    "menus": [answering_entries.MenuEntry],
    "messages": [answering_entries.MessageEntry],
    "voicemails": [answering_entries.VoicemailEntry],
    "dids": [number_entries.DidEntry],
    "routes": [number_entries.RouteEntry],
    "callback": [number_entries.CallbackEntry],
    "extras": [number_entries.ExtrasEntry],
}


def section(heading: str) -> str:
    """The text below a heading, up to the next."""
    [text] = re.findall(rf"^#+ {heading}\n(.*?)(?=^#|\Z)", PAGE, re.DOTALL | re.MULTILINE)
    return str(text)


def tables(text: str, first: str) -> list[list[tuple[str, str]]]:
    """The tables whose first column is `first`: names and second cell of each row."""
    found = re.findall(rf"^\| {first} \|.*\n\|[-|]+\n((?:\|.*\n?)+)", text, re.MULTILINE)
    return [
        [
            (name, cells[1].strip().strip("`"))
            for cells in (line.split(" | ") for line in rows.splitlines())
            for name in re.findall(r"`([a-z_:A-Z]+)`", cells[0])
        ]
        for rows in found
    ]


def example() -> dict[str, Any]:
    """The examples of the page as one file: what is no section of its own is the tenant's."""
    tenant: dict[str, Any] = {"name": "acme", "account": {"opening_balance": "600"}}
    file: dict[str, Any] = {"calendars": [], "tariffs": [], "tenants": [tenant]}
    for text in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE):
        for name, value in YAML().load(text).items():
            owner = file if name in file else tenant
            if isinstance(value, list):
                owner.setdefault(name, []).extend(value)
            else:
                owner[name] = value
    return file


@pytest.mark.parametrize("heading", TABLES)
def test_tables_have_every_field(heading: str) -> None:
    """A field is in the table of its entry, and there is no field but those."""
    documented = [{name for name, _ in rows} for rows in tables(section(heading), "field")]

    assert documented == [
        {field.alias or name for name, field in entry.model_fields.items()}
        for entry in TABLES[heading]
    ]


@pytest.mark.parametrize("heading", TABLES)
def test_defaults_are_the_real_ones(heading: str) -> None:
    """A default that the page names is that of the field."""
    for rows, entry in zip(tables(section(heading), "field"), TABLES[heading], strict=True):
        fields = {field.alias or name: field for name, field in entry.model_fields.items()}
        for name, default in rows:
            real = fields[name].default
            if isinstance(real, int | str) and not fields[name].json_schema_extra:
                shown = str(real).lower() if isinstance(real, bool) else str(real)
                assert default in {shown, f'"{shown}"', "none"}, f"{heading}: {name}"
            if fields[name].is_required():
                assert default == "required", f"{heading}: {name}"


def test_strategies_and_targets_are_all_there() -> None:
    """The page has each strategy and each kind of target."""
    [strategies] = tables(section("groups"), "strategy")
    [targets] = tables(section("targets"), "target")

    assert [name for name, _ in strategies] == list(Strategy)
    assert {name.partition(":")[0] for name, _ in targets} == set(TargetKind)


async def test_examples_are_applied(database: Database) -> None:
    """The examples together are a file that callctl applies, loads and exports without loss."""
    for name in OWN_AUDIO:
        await database.execute(
            "INSERT INTO audio_files (tenant, name, wav, seconds, loudness_db, sha256, "
            "original_name) VALUES ('acme', $1, $2, 1, -20, $3, 'x.wav')",
            *(name, b"x" * 44, "0" * 64),
        )
    await apply_text(database, dump(example()))

    dids = (await loaded(database)).dids
    assert set(dids) == {"4001234567", "4007654321", "4008888888"}
    assert dids["4001234567"].answering.menus["main"].prompt == "tenants/acme/welcome"
    assert await apply_text(database, await exported(database)) == Plan()
