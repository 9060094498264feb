"""The audit: sound books pass, and each kind of damage breaks the proof that it should, alone."""

import asyncio
import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from typer.testing import CliRunner

from callctl.cli.auditing import Wanted, run_audit
from callctl.cli.main import app
from callctl.db.embedded import EmbeddedPostgres
from callctl.db.pool import Database
from callctl.errors import InvalidInput, SchemaMismatch
from callctl.ledger import Teller, TransferKind
from callctl.ledger.requests import Urgency
from callctl.views.audit import GRACE_SECONDS, Proof
from tests.db.audit_books import BANDED_LEG, TENANT_LEG, account_id, write_books
from tests.db.ledger_desk import request

# As an intruder would, past triggers and constraints. Each breaks one proof by so many rows.
_DAMAGES = [
    (
        "balances",
        2,
        """
        UPDATE accounts
        SET balance_micros = balance_micros + CASE name WHEN 'tenant:acme' THEN 1 ELSE -1 END
        WHERE name IN ('tenant:acme', 'revenue:CNY')
        """,
    ),
    (
        "entries",
        2,
        "UPDATE transfers SET from_balance_micros = from_balance_micros + 1 WHERE kind = 'renew'",
    ),
    ("held", 2, "UPDATE accounts SET held_micros = held_micros + 1 WHERE name = 'tenant:acme'"),
    ("held", 2, "UPDATE accounts SET open_reservations = 0 WHERE name = 'tenant:acme'"),
    ("limits", 1, "UPDATE accounts SET credit_limit_micros = 499 WHERE name = 'tenant:poor'"),
    ("double entry", 3, "UPDATE accounts SET currency = 'USD' WHERE name = 'tenant:poor'"),
    (
        "reservations",
        1,
        "UPDATE reservations SET posted_micros = 1 WHERE state = 'open'",
    ),
    ("live legs", 1, "DELETE FROM live_calls"),
    (
        "live legs",
        1,
        """
        UPDATE live_calls
        SET reservations = reservations || (SELECT reservation_id FROM cdr_legs WHERE side = 'a')
        """,
    ),
    ("cdr costs", 1, "UPDATE cdrs SET cost_micros = 210001 WHERE cost_micros > 0"),
    ("rates", 1, "UPDATE cdr_legs SET tariff_version = 2 WHERE side = 'a'"),
    ("rates", 1, "UPDATE cdr_charges SET tariff = 'inbound'"),
    ("costs", 1, "UPDATE cdr_legs SET charged_ms = 61000 WHERE side = 'a'"),
    ("costs", 1, "UPDATE cdr_legs SET billed_seconds = 59 WHERE side = 'a'"),
    ("costs", 1, "UPDATE cdr_charges SET charged_ms = 61000"),
    (
        "costs",
        1,
        "UPDATE cdr_legs SET charged_from = charged_from + interval '1 s' WHERE side = 'b'",
    ),
    ("costs", 1, "UPDATE cdr_legs SET timezone = 'Asia/Tokyo' WHERE side = 'b'"),
    ("settlements", 1, "UPDATE reservations SET leg_id = id WHERE posted_micros = 50000"),
    ("settlements", 2, "UPDATE cdr_charges SET reservation_id = leg_id"),
    ("settlements", 2, "UPDATE cdr_charges SET account = 'tenant:acme'"),
    ("settlements", 1, "DELETE FROM cdr_charges"),
]


@pytest.fixture(autouse=True)
async def _books(database: Database) -> None:
    await write_books(database)


async def _broken(database_url: str, **wanted: Any) -> dict[str, Proof]:
    """The proofs that fail; nothing is spared for being new."""
    _, found = await run_audit(
        database_url, Wanted(**{"grace_seconds": 0.0, **wanted}), lambda *_: None
    )
    return {timed.proof.name: timed.proof for timed in found if timed.proof.count}


async def _damage(database: Database, statement: str) -> None:
    async with database.transaction() as connection:
        for table, constraint in (
            ("accounts", "accounts_never_below_limit"),
            ("reservations", "reservations_closed_hold_nothing"),
        ):
            await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(statement)


async def test_sound_books_break_no_proof(database_url: str) -> None:
    """Charges of tenants and resellers, bands, refunds, limits and live calls all agree."""
    assert await _broken(database_url) == {}


async def test_lowered_cap_of_a_limit_breaks_no_proof(
    database: Database, database_url: str
) -> None:
    """A limit may be set below what is used of it; that is no money lost."""
    await database.execute("UPDATE accounts SET credit_limit_micros = 1 WHERE kind = 'limit'")

    assert await _broken(database_url) == {}


@pytest.mark.parametrize(("proof", "count", "statement"), _DAMAGES)
async def test_damage_breaks_its_proof(
    database: Database, database_url: str, proof: str, count: int, statement: str
) -> None:
    """What was changed behind the ledger's back is found, by that proof and by no other."""
    await _damage(database, statement)

    broken = await _broken(database_url)

    assert {name: one.count for name, one in broken.items()} == {proof: count}
    assert len(broken[proof].breaches) >= 1


async def test_closed_reservation_that_holds_money_breaks_its_proof(
    database: Database, database_url: str
) -> None:
    """Money held by a closed reservation is found, whatever else that breaks."""
    await _damage(database, "UPDATE reservations SET held_micros = 7 WHERE posted_micros = 50000")

    rows = (await _broken(database_url))["reservations"].breaches

    assert {(row.what, row.expected, row.found) for row in rows} == {
        ("held_micros", "0", "7"),
        ("held_micros, closed", "0", "7"),
    }


async def test_breach_names_the_row_and_both_values(database: Database, database_url: str) -> None:
    """A row that breaks a proof says of what, what should be there, and what is."""
    await _damage(database, "UPDATE cdr_legs SET charged_ms = 61000 WHERE side = 'a'")

    [breach] = (await _broken(database_url))["costs"].breaches

    assert (breach.subject, breach.expected, breach.found) == (
        str(TENANT_LEG),
        "120 s, 200000",
        "60 s, 100000",
    )


async def test_refund_of_no_charge_is_found(database: Database, database_url: str) -> None:
    """Money given back that belongs to no leg's reservation breaks the settlements."""
    teller = Teller(database)
    await teller.start()
    accounts = [await account_id(database, name) for name in ("revenue:CNY", "tenant:acme")]
    await teller.submit([request(TransferKind.REFUND, *accounts, amount=10)], Urgency.SETTLE)
    await teller.stop()

    assert {n: p.count for n, p in (await _broken(database_url)).items()} == {"settlements": 1}


async def test_refund_that_was_not_made_is_found(database: Database, database_url: str) -> None:
    """A leg whose posts exceed its cost needs its refund."""
    await _damage(database, "UPDATE transfers SET kind = 'fee' WHERE kind = 'refund'")

    [breach] = (await _broken(database_url))["settlements"].breaches

    assert (breach.subject, breach.expected, breach.found) == (str(BANDED_LEG), "160000", "110000")


async def test_newest_rows_are_spared(database: Database, database_url: str) -> None:
    """A reservation whose call's row is still on its way breaks nothing yet."""
    await _damage(database, "DELETE FROM live_calls")

    assert await _broken(database_url, grace_seconds=GRACE_SECONDS) == {}


async def test_many_breaches_are_counted_and_twenty_shown(
    database: Database, database_url: str
) -> None:
    """All rows that break a proof are counted, twenty are shown."""
    await _damage(
        database,
        "INSERT INTO cdrs SELECT gen_random_uuid(), '4006001234', 'acme', '', '', '', null,"
        " 'rejected', 21, 'callctl', now(), null, now(), 0, 0, 5, 'CNY', '', 1, '[]'"
        " FROM generate_series(1, 30)",
    )

    proof = (await _broken(database_url))["cdr costs"]

    assert (proof.count, len(proof.breaches)) == (30, 20)


async def test_audit_writes_nothing(database: Database, database_url: str) -> None:
    """An audit is given no transaction id, as every transaction that writes is."""
    before = await database.fetchval("SELECT pg_current_xact_id()::text::bigint")
    await _broken(database_url)
    after = await database.fetchval("SELECT pg_current_xact_id()::text::bigint")

    assert after - before == 1


async def test_audit_sees_one_moment(database_url: str) -> None:
    """What is committed while it runs is not seen: every proof is of the moment it began."""

    async def change() -> None:
        connection = await asyncpg.connect(database_url)
        await connection.execute("UPDATE cdrs SET cost_micros = 1")
        await connection.close()

    def disturb(_name: str, number: int, _count: int) -> None:
        if number == 1:
            changing = threading.Thread(target=asyncio.run, args=(change(),))
            changing.start()
            changing.join()

    _, found = await run_audit(database_url, Wanted(grace_seconds=0), disturb)

    assert [timed.proof.name for timed in found if timed.proof.count] == []
    assert set(await _broken(database_url)) == {"cdr costs"}


async def _command(*arguments: str) -> Any:
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, ["audit", *arguments]))


async def test_command_says_sound_or_not_by_its_exit_code(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Exit code 0 for sound books, 1 with the rows for others; JSON has the same."""
    monkeypatch.setenv("CALLCTL_DATABASE_URL", database_url)
    monkeypatch.setenv("CALLCTL_VAR_DIR", str(tmp_path))
    sound = await _command()
    assert sound.exit_code == 0, sound.output
    assert "fail" not in sound.output

    await _damage(database, "UPDATE cdrs SET cost_micros = 1 WHERE cost_micros > 0")
    broken, as_json = await _command(), await _command("--json")

    assert (broken.exit_code, as_json.exit_code) == (1, 1)
    assert "cdr costs: broken by 1" in broken.output
    answer = json.loads(as_json.output)
    assert answer["is_sound"] is False
    [proof] = [proof for proof in answer["proofs"] if proof["count"]]
    assert proof["breaches"][0] == {
        "subject": "00000000-0000-0000-0000-0000000000c1",
        "what": "cost_micros",
        "expected": "210000",
        "found": "1",
    }


async def test_database_without_callctl_is_refused(postgres: EmbeddedPostgres) -> None:
    """A database that was never migrated is not taken for sound books."""
    with pytest.raises(SchemaMismatch, match="no callctl"):
        await _broken(postgres.dsn_of("postgres"))


_ANSWERED, _HUNG_UP = 1_790_856_005, 1_790_856_035  # the seed's talk
_LEGS = [
    f"ANSWER,{_ANSWERED}.000412,l9,l1,PJSIP/carrier-00000001",
    f"ANSWER,{_ANSWERED}.000990,l1,l1,PJSIP/carrier-00000000",
    f"HANGUP,{_HUNG_UP}.000031,l1,l1,PJSIP/carrier-00000000",
    f"HANGUP,{_HUNG_UP}.000500,l9,l1,PJSIP/carrier-00000001",
    f"HANGUP,{_HUNG_UP}.000500,l7,l7,PJSIP/carrier-00000002",  # never answered
]
_CALL, _OTHER_CALL = (f"00000000-0000-0000-0000-0000000000{name}" for name in ("c1", "ff"))
_TOLD = [line.replace(",PJSIP", f",{_CALL},PJSIP") for line in _LEGS]
_AGAIN = [  # of another call, on a channel of the same id
    f"ANSWER,{_HUNG_UP + 60}.000000,l1,l1,{_OTHER_CALL},PJSIP/carrier-00000000",
    f"HANGUP,{_HUNG_UP + 90}.000000,l1,l1,{_OTHER_CALL},PJSIP/carrier-00000000",
]


@pytest.mark.parametrize(
    ("lines", "rows"),
    [
        (_LEGS, []),
        ([*_LEGS, "ANSWER,1790856036.00"], []),  # still being written
        ([*_LEGS, f"ANSWER,{_ANSWERED}.500000,l2,l2,x"], []),  # lives
        (  # answered and did not take the call, which lives
            [
                *_LEGS,
                f"ANSWER,{_ANSWERED}.500000,l6,l2,x",
                f"HANGUP,{_ANSWERED + 1}.500000,l6,l2,x",
            ],
            [],
        ),
        ([line for line in _LEGS if ",l9," not in line], [("l9", "1", "0")]),
        (_LEGS[:3], []),  # no hang-up seen: nothing to compare the talk with
        (_LEGS[1:2], [("l9", "1", "0")]),
        ([*_LEGS, _LEGS[0]], [("l9", "1", "2")]),
        ([*_LEGS, _LEGS[2]], [("l1", "1", "2")]),
        ([*_LEGS, f"ANSWER,{_ANSWERED}.500000,l8,l8,x"], [("l8", "1", "0")]),
        (_TOLD, []),
        ([*_TOLD, *_AGAIN], [("l1", "1", "0")]),  # which has no CDR
        ([*_TOLD[:2], *_TOLD[3:], _AGAIN[1]], []),  # its end is not that of the call before
        (
            [line.replace(_CALL, _OTHER_CALL) for line in _TOLD[1:3]],
            [(leg, "1", "0") for leg in ("l1", "l9", "l1")],
        ),
        ([_LEGS[0].replace(f"{_ANSWERED}.0", f"{_ANSWERED - 1}.1"), *_LEGS[1:]], []),
        (
            [_LEGS[0].replace(f"{_ANSWERED}", f"{_ANSWERED - 2}"), *_LEGS[1:]],
            [("l9", "32.000", "30.000")],
        ),
    ],
)
async def test_asterisk_legs_are_compared_both_ways(
    database_url: str, tmp_path: Path, lines: list[str], rows: list[tuple[str, str, str]]
) -> None:
    """A leg that only one side has, or that differs by more than a second, is found."""
    file = tmp_path / "legs.csv"
    file.write_text("\n".join(lines) + ("" if lines[-1].endswith(".00") else "\n"))

    broken = await _broken(database_url, asterisk=[file])

    found = broken["asterisk"].breaches if broken else ()
    assert [(row.subject, row.expected, row.found) for row in found] == rows


async def test_asterisk_legs_before_since_are_left_out(database_url: str, tmp_path: Path) -> None:
    """With a moment, older legs of either side are not compared."""
    file = tmp_path / "legs.csv"
    file.write_text(_LEGS[1] + "\n")
    later = datetime.fromtimestamp(_ANSWERED + 10, UTC)

    assert set(await _broken(database_url, asterisk=[file])) == {"asterisk"}
    assert await _broken(database_url, asterisk=[file], since=later) == {}


async def test_file_that_asterisk_did_not_write_is_refused(
    database_url: str, tmp_path: Path
) -> None:
    """The first wrong line is named."""
    file = tmp_path / "Master.csv"
    file.write_text(_LEGS[0] + '\n"","01062001234","4007654321"\n')

    with pytest.raises(InvalidInput, match=r"Master\.csv: line 2 "):
        await _broken(database_url, asterisk=[file])
