"""An installation from before answering was configured, brought to this schema with its data."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from callctl.db.embedded import EmbeddedPostgres
from callctl.db.migrate import MIGRATIONS_DIR, migrate
from callctl.db.pool import connect
from callctl.directory.answering import Greeting, Strategy
from callctl.values.schedule import ManualSwitch
from tests.db.provisioning import apply_text, exported, lines_of, loaded

BEFORE = 6  # the number of the last migration then
DATA = """
INSERT INTO accounts (name, kind, currency)
VALUES ('tenant:acme', 'prepaid', 'CNY'), ('revenue:CNY', 'revenue', 'CNY');
INSERT INTO tariffs (name, currency) VALUES ('standard', 'CNY');
INSERT INTO tariff_versions (tariff_id, version, rate_count) SELECT id, 1, 1 FROM tariffs;
INSERT INTO rates (
    tariff_version_id, prefix, area, connect_fee_micros, price_per_minute_micros, minimum_seconds,
    first_increment_seconds, next_increment_seconds, round_to_micros, free_seconds,
    first_step_seconds, first_step_price_micros, bands
)
SELECT id, '', '', 0, 300000, 0, 60, 60, 100, 0, 0, 0, '[]' FROM tariff_versions;
INSERT INTO tenants (name, language, timezone, account_id, warn_seconds)
SELECT 'acme', 'zh', 'Asia/Shanghai', id, '{60, 15}' FROM accounts WHERE name = 'tenant:acme';
INSERT INTO lines (tenant_id, name, number, trunk, ring_seconds, areas)
SELECT t.id, l.name, l.number, 'carrier', 15, '{}'
FROM tenants AS t, (VALUES ('b', '+861062000001'), ('a', '+861062000002')) AS l (name, number);
INSERT INTO dids (number, tenant_id, tariff_id, ringback, greeting)
SELECT '4001234567', t.id, f.id, 'callctl/ringback-demo', 'callctl/greeting-demo'
FROM tenants AS t, tariffs AS f;
INSERT INTO did_lines (did_id, position, line_id)
SELECT d.id, row_number() OVER (ORDER BY l.name), l.id FROM dids AS d, lines AS l;
INSERT INTO blacklist_entries (did_id, number) SELECT id, '+8613900000000' FROM dids;
"""


@pytest.fixture
async def migrated_url(postgres: EmbeddedPostgres, tmp_path: Path) -> AsyncIterator[str]:
    """The URL of a database that had data at an earlier schema and was then migrated."""
    for path in sorted(MIGRATIONS_DIR.glob("*.sql"))[:BEFORE]:
        shutil.copy(path, tmp_path)
    admin = await asyncpg.connect(postgres.dsn_of("postgres"), timeout=10)
    try:
        await admin.execute("CREATE DATABASE grown")
        url = postgres.dsn_of("grown")
        await migrate(url, tmp_path)
        earlier = await asyncpg.connect(url, timeout=10)
        await earlier.execute(DATA)
        await earlier.close()
        assert "0007_answering.sql" in await migrate(url)
        yield url
        await admin.execute("DROP DATABASE grown WITH (FORCE)")
    finally:
        admin.terminate()


async def test_numbers_of_before_are_answered_as_before(migrated_url: str) -> None:
    """Lines keep their order, the blacklist its numbers; what is new is as usual."""
    database = await connect(migrated_url, size=2, timeout_seconds=10)
    try:
        did = (await loaded(database)).dids["4001234567"]
        assert [line.name for line in lines_of(did)] == ["a", "b"]
        assert did.answering.groups[did.default.name].strategy is Strategy.SEQUENTIAL
        [blacklist] = did.lists
        assert (blacklist.name, blacklist.numbers) == ("blacklist", frozenset({"+8613900000000"}))
        assert (did.ringback, did.greeting) == (
            "callctl/ringback-demo",
            Greeting("callctl/greeting-demo"),
        )
        assert (did.switch, did.routes, did.callback) == (ManualSwitch.SCHEDULE, (), None)
        assert all(line.is_on and line.capacity is None for line in lines_of(did))
        assert (did.tenant.recording_days, did.tenant.switch_pin) == (30, None)

        assert (await apply_text(database, await exported(database))).changes == ()
    finally:
        await database.close()
