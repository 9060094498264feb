"""Whether a tariff has a price for a number; called by references, provisioned and importing.

A leg without a price is refused when the call comes, so a tariff that would refuse is refused
when it is provisioned. A key is (prefix, area); a rate has exactly one, "" standing for any.
"""

from collections.abc import Collection, Iterable, Sequence

from callctl.db.pool import Connection
from callctl.db.queries import queries
from callctl.directory.areas import shipped_table
from callctl.directory.rows import Row
from callctl.values.phone_number import PhoneNumber
from callctl.values.tariff import Rate

ANY = ("", "")  # the key of the rate for whatever no other is for
Key = tuple[str, str]


def pricing_keys(number: str) -> set[Key]:
    """The keys of all rates that are for `number`; "" is that of a caller who shows none."""
    parsed = PhoneNumber.parse(number)
    digits = parsed.text.lstrip("+")
    keys = {(digits[:length], "") for length in range(len(digits) + 1)}
    area = shipped_table().area_of(parsed)
    if area.adcode:
        wider = (area.adcode, area.adcode[:4] + "00", area.adcode[:2] + "0000")
        keys |= {("", adcode) for adcode in wider if area.is_within(adcode)}
    return keys


def unpriced_message(number: str) -> str:
    """What to say of a tariff without a price for `number`."""
    digits = PhoneNumber.parse(number).text.lstrip("+")
    whom = f"a number in {digits[:5]}..." if digits else "callers who show no number"
    return f"this tariff has no price for {whom}: add a rate without prefix to it"


async def unpriced(connection: Connection, wanted: Sequence[tuple[int, str]]) -> list[int]:
    """Which of `wanted` have no price, by position; each is a tariff's version_id and a number."""
    keys = [sorted(pricing_keys(number)) for _, number in wanted]
    rows = await queries.find_unpriced(
        connection,
        wanted=[
            {
                "position": position,
                "version_id": version_id,
                "prefixes": [prefix for prefix, area in found if not area],
                "areas": [area for _, area in found if area],
            }
            for position, ((version_id, _), found) in enumerate(zip(wanted, keys, strict=True))
        ],
    )
    return [row["position"] for row in rows]


async def users_without_price(
    connection: Connection,
    tariff: str,
    rates: Iterable[Rate],
    *,
    tenants: Collection[str] = (),
    resellers: Collection[str] = (),
) -> list[str]:
    """Who would have no price if the tariff's rates were `rates`: "DID 4001234567 of acme".

    Those of `tenants` and `resellers` are left out: they are looked at where they are written.
    """
    keys = {(rate.prefix, rate.area) for rate in rates}
    if ANY in keys:
        return []
    rows = await queries.find_tariff_users(
        connection, tariff=tariff, tenants=list(tenants), resellers=list(resellers)
    )
    return [_shown(row) for row in rows if keys.isdisjoint(pricing_keys(row["number"] or ""))]


def _shown(row: Row) -> str:
    return f"{row['kind']} {row['name']}" + (f" of {row['tenant']}" if row["tenant"] else "")
