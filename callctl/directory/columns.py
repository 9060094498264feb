"""Tenants, lines and DIDs as the columns of their tables, and from there as files have them.

Called by apply, which writes the columns, and by plain, which shows what is provisioned.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from callctl.directory.answering_entries import STORED_FIELDS
from callctl.directory.document import TenantEntry
from callctl.directory.fields import show_amount
from callctl.directory.models import Limits
from callctl.directory.number_entries import DidEntry, ExtrasEntry, LineEntry
from callctl.directory.price_entries import STORED
from callctl.directory.rows import Row

Plain = dict[str, Any]


def tenant_columns(tenant: TenantEntry) -> Plain:
    """The parameters of write_tenant, without the account."""
    set_fields = {name for name in STORED_FIELDS if getattr(tenant, name) != _default(name)}
    stored = tenant.model_dump(by_alias=True, include=set_fields, context=STORED)
    return {
        "name": tenant.name,
        "language": tenant.language,
        "timezone": tenant.timezone,
        "warn_seconds": tenant.account.warn_seconds,
        "limits": limits_json(tenant.account.limits.to_limits()),
        "reseller": tenant.reseller,
        "calendar": tenant.calendar,
        "recording_days": tenant.recording_days,
        "switch_pin": tenant.switch_pin,
        "answering": stored,
    }


def _default(name: str) -> Any:
    return TenantEntry.model_fields[name].default


def line_columns(line: LineEntry) -> Plain:
    """The columns of a line, its tariffs by name."""
    return dict(line)


def did_columns(did: DidEntry) -> Plain:
    """The columns of a DID, its tariffs by name, with its lines and blacklist."""
    stored = did.model_dump(by_alias=True, include={"routes", "extras"}, context=STORED)
    if did.extras == ExtrasEntry():
        stored["extras"] = {}
    greeting, callback = did.greeting, did.callback
    return {
        **dict(did),
        **stored,
        "target": did.to,
        "greeting": greeting and greeting.prompt,
        "is_barge_in": bool(greeting and greeting.is_barge_in),
        "callback": None,
        "callback_trunk": callback and callback.trunk,
        "callback_tariff": callback and callback.tariff,
        "callback_carrier_tariff": callback and callback.carrier_tariff,
        "callback_ring_seconds": callback and callback.ring_seconds,
        "limits": limits_json(did.limits.to_limits()),
        "lines": did.lines or [],
    }


def limits_json(limits: Limits) -> dict[str, int]:
    """The limits that are set, as the database has them."""
    named = {name: getattr(limits, name) for name in Limits.__dataclass_fields__}
    return {name: value for name, value in named.items() if value is not None}


def plain_tenant(row: Row, lines: Sequence[Row], dids: Sequence[Row]) -> Plain:
    """One tenant with all it has, as a file has it."""
    names = {line["id"]: line["name"] for line in lines}
    written = {
        "name": row["name"],
        "language": row["language"],
        "timezone": row["timezone"],
        "reseller": row["reseller"],
        "account": plain_account(row) | {"warn_seconds": list(row["warn_seconds"])},
        "calendar": row["calendar"],
        "recording_days": row["recording_days"],
        "switch_pin": row["switch_pin"],
        **(row["answering"] or {}),
        "lines": [_written_line(line) for line in lines],
        "dids": [_written_did(did, names) for did in dids],
    }
    return TenantEntry.model_validate(written).model_dump(by_alias=True, exclude_none=True)


def plain_account(row: Row) -> Plain:
    """The account of a tenant or reseller."""
    limits = dict(map(_plain_limit, row["limits"].items()))
    return {
        "currency": row["currency"],
        "opening_balance": show_amount(row["opening_balance_micros"]),
        "credit_limit": show_amount(row["credit_limit_micros"]),
        **({"limits": limits} if limits else {}),
    }


def _plain_limit(item: tuple[str, int]) -> tuple[str, int | str]:
    name, value = item
    if name.endswith("_micros"):
        return name.removesuffix("_micros"), show_amount(value)
    return name, value


def _written_line(row: Row) -> Plain:
    return {
        "name": row["name"],
        "number": row["number"],
        "trunk": row["trunk"],
        "areas": row["areas"],
        "ring_seconds": row["ring_seconds"],
        "tariff": row["tariff"],
        "carrier_tariff": row["carrier_tariff"],
        "on": row["is_on"],
        "schedule": row["schedule"],
        "capacity": row["capacity"],
        "confirm_key": row["confirm_key"],
        "announce": row["is_announced"],
        "wrap_up_seconds": row["wrap_up_seconds"],
        "record": row["is_recorded"],
    }


def _written_did(row: Row, line_names: Mapping[int, str]) -> Plain:
    greeting = {"prompt": row["greeting"], "barge_in": row["is_barge_in"]}
    callback = {
        "trunk": row["callback_trunk"],
        "tariff": row["callback_tariff"],
        "carrier_tariff": row["callback_carrier_tariff"],
        "ring_seconds": row["callback_ring_seconds"],
    }
    return {
        "number": row["number"],
        "tariff": row["tariff"],
        "ringback": row["ringback"],
        "greeting": greeting if row["greeting"] else None,
        "lines": [line_names[line_id] for line_id in row["line_ids"]] or None,
        "strategy": row["strategy"],
        "to": row["target"],
        "routes": row["routes"] or [],
        "schedule": row["schedule"],
        "closed": row["closed"],
        "lists": row["lists"],
        "calls_per_caller_minute": row["calls_per_caller_minute"],
        "blacklist": row["blacklist"],
        "record": row["is_recorded"],
        "callback": callback if row["callback_trunk"] else None,
        "extras": row["extras"] or {},
        "limits": dict(map(_plain_limit, row["limits"].items())),
    }
