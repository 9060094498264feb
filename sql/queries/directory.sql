-- What callctl apply compares and writes, and what the switch loads. :tenants NULL means all.

-- name: begin_directory_snapshot#
-- First in its transaction: the reads after it see one moment.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;

-- name: lock_directory$
-- One apply at a time; held to the end of the transaction.
SELECT pg_advisory_xact_lock(hashtext('callctl directory'))::text;

-- name: read_directory_revision$
SELECT coalesce(max(id), 0) FROM revisions;

-- name: read_directory_tariffs
-- Every tariff at its newest version.
SELECT
    t.id,
    t.name,
    t.currency,
    v.version,
    v.version_id
FROM tariffs AS t
CROSS JOIN LATERAL (
    SELECT w.id AS version_id, w.version
    FROM tariff_versions AS w
    WHERE w.tariff_id = t.id
    ORDER BY w.version DESC
    LIMIT 1
) AS v
ORDER BY t.id;

-- name: read_directory_rates
SELECT
    tariff_version_id,
    prefix,
    connect_fee_micros,
    price_per_minute_micros,
    minimum_seconds,
    first_increment_seconds,
    next_increment_seconds,
    round_to_micros
FROM rates
WHERE tariff_version_id = ANY(:version_ids::bigint [])
ORDER BY tariff_version_id, prefix;

-- name: read_directory_tenants
SELECT
    t.id,
    t.name,
    t.language,
    t.timezone,
    t.warn_seconds,
    t.account_id,
    a.name AS account_name,
    a.currency,
    a.credit_limit_micros,
    a.balance_micros - a.held_micros AS unheld_micros,
    r.id AS revenue_account_id,
    coalesce(o.amount_micros, 0) AS opening_balance_micros
FROM tenants AS t
INNER JOIN accounts AS a ON t.account_id = a.id
INNER JOIN accounts AS r ON r.name = 'revenue:' || a.currency
LEFT JOIN transfers AS o
    ON o.to_account_id = a.id AND o.kind = 'opening' AND o.amount_micros > 0
WHERE :tenants::text [] IS NULL OR t.name = ANY(:tenants::text [])
ORDER BY t.id;

-- name: read_directory_lines
SELECT
    l.id,
    l.tenant_id,
    l.name,
    l.number,
    l.trunk,
    l.ring_seconds,
    l.areas,
    t.name AS tariff
FROM lines AS l
LEFT JOIN tariffs AS t ON l.tariff_id = t.id
WHERE l.tenant_id = ANY(:tenant_ids::bigint [])
ORDER BY l.id;

-- name: read_directory_dids
SELECT
    d.id,
    d.tenant_id,
    d.number,
    d.ringback,
    t.name AS tariff,
    ARRAY(
        SELECT x.line_id FROM did_lines AS x WHERE x.did_id = d.id ORDER BY x.position
    ) AS line_ids,
    ARRAY(
        SELECT b.number FROM blacklist_entries AS b WHERE b.did_id = d.id ORDER BY b.number
    ) AS blacklist
FROM dids AS d
INNER JOIN tariffs AS t ON d.tariff_id = t.id
WHERE d.tenant_id = ANY(:tenant_ids::bigint [])
ORDER BY d.id;

-- name: find_did_owners
-- Whose the numbers are now.
SELECT d.number, t.name AS tenant
FROM dids AS d
INNER JOIN tenants AS t ON d.tenant_id = t.id
WHERE d.number = ANY(:numbers::text []);

-- name: add_tariff$
-- The tariff's id, whether it was there or not.
WITH added AS (
    INSERT INTO tariffs (name, currency) VALUES (:name, :currency)
    ON CONFLICT (name) DO NOTHING
    RETURNING id
)
SELECT id FROM added
UNION ALL
SELECT id FROM tariffs WHERE name = :name
LIMIT 1;

-- name: add_tariff_version!
WITH added AS (
    INSERT INTO tariff_versions (tariff_id, version)
    SELECT :tariff_id, coalesce(max(version), 0) + 1
    FROM tariff_versions
    WHERE tariff_id = :tariff_id
    RETURNING id
)
INSERT INTO rates (
    tariff_version_id, prefix, connect_fee_micros, price_per_minute_micros, minimum_seconds,
    first_increment_seconds, next_increment_seconds, round_to_micros
)
SELECT
    added.id, r.prefix, r.connect_fee_micros, r.price_per_minute_micros, r.minimum_seconds,
    r.first_increment_seconds, r.next_increment_seconds, r.round_to_micros
FROM added
CROSS JOIN jsonb_to_recordset(:rates::jsonb) AS r (
    prefix text,
    connect_fee_micros bigint,
    price_per_minute_micros bigint,
    minimum_seconds integer,
    first_increment_seconds integer,
    next_increment_seconds integer,
    round_to_micros bigint
);

-- name: add_accounts!
-- Open the accounts that are not there yet; those that are there stay as they are.
INSERT INTO accounts (name, kind, currency)
SELECT a.name, a.kind, a.currency
FROM unnest(:names::text [], :kinds::text [], :currencies::text []) AS a (name, kind, currency)
ON CONFLICT (name) DO NOTHING;

-- name: find_accounts_by_name
SELECT id, name, kind, currency
FROM accounts
WHERE name = ANY(:names::text []);

-- name: lock_accounts_by_name
-- In the order of their ids, as the teller does, so the two cannot deadlock.
SELECT id, name, balance_micros, held_micros
FROM accounts
WHERE name = ANY(:names::text [])
ORDER BY id
FOR NO KEY UPDATE;

-- name: set_credit_limit!
UPDATE accounts SET credit_limit_micros = :credit_limit_micros WHERE id = :account_id;

-- name: credit_openings
-- Through the ledger's one statement; the same id again changes nothing.
SELECT outcome
FROM callctl_ledger_apply_v1(
    :steps::integer [],
    :ids::uuid [],
    :kinds::text [],
    :reservations::uuid [],
    :legs::uuid [],
    :payers::bigint [],
    :payees::bigint [],
    :amounts::bigint [],
    :holds::bigint [],
    :memos::text []
);

-- name: write_tenant$
INSERT INTO tenants (name, language, timezone, account_id, warn_seconds)
VALUES (:name, :language, :timezone, :account_id, :warn_seconds::integer [])
ON CONFLICT (name) DO UPDATE SET
    language = excluded.language,
    timezone = excluded.timezone,
    warn_seconds = excluded.warn_seconds
RETURNING id;

-- name: remove_dids!
DELETE FROM dids
USING tenants AS t
WHERE dids.tenant_id = t.id AND t.name = :tenant AND dids.number <> ALL(:kept::text []);

-- name: remove_did_parts!
-- What write_did_parts writes anew.
WITH mine AS (
    SELECT id FROM dids WHERE tenant_id = :tenant_id
), lines_removed AS (
    DELETE FROM did_lines WHERE did_id IN (SELECT id FROM mine)
)
DELETE FROM blacklist_entries WHERE did_id IN (SELECT id FROM mine);

-- name: remove_lines!
DELETE FROM lines WHERE tenant_id = :tenant_id AND name <> ALL(:kept::text []);

-- name: write_lines!
INSERT INTO lines (tenant_id, name, number, trunk, tariff_id, ring_seconds, areas)
SELECT :tenant_id, l.name, l.number, l.trunk, t.id, l.ring_seconds, l.areas
FROM ROWS FROM (
    jsonb_to_recordset(:lines::jsonb) AS (
        name text, number text, trunk text, tariff text, ring_seconds integer, areas text []
    )
) WITH ORDINALITY AS l (name, number, trunk, tariff, ring_seconds, areas, position)
LEFT JOIN tariffs AS t ON l.tariff = t.name
ORDER BY l.position
ON CONFLICT (tenant_id, name) DO UPDATE SET
    number = excluded.number,
    trunk = excluded.trunk,
    tariff_id = excluded.tariff_id,
    ring_seconds = excluded.ring_seconds,
    areas = excluded.areas;

-- name: write_dids!
INSERT INTO dids (tenant_id, number, tariff_id, ringback)
SELECT :tenant_id, d.number, t.id, d.ringback
FROM ROWS FROM (
    jsonb_to_recordset(:dids::jsonb) AS (number text, tariff text, ringback text)
) WITH ORDINALITY AS d (number, tariff, ringback, position)
INNER JOIN tariffs AS t ON d.tariff = t.name
ORDER BY d.position
ON CONFLICT (number) DO UPDATE SET
    tariff_id = excluded.tariff_id,
    ringback = excluded.ringback;

-- name: write_did_parts!
WITH parts AS (
    SELECT d.id, p.lines, p.blacklist
    FROM jsonb_to_recordset(:dids::jsonb) AS p (number text, lines text [], blacklist text [])
    INNER JOIN dids AS d ON p.number = d.number
), lines_written AS (
    INSERT INTO did_lines (did_id, position, line_id)
    SELECT parts.id, x.position, l.id
    FROM parts
    CROSS JOIN unnest(parts.lines) WITH ORDINALITY AS x (name, position)
    INNER JOIN lines AS l ON l.tenant_id = :tenant_id AND x.name = l.name
)
INSERT INTO blacklist_entries (did_id, number)
SELECT parts.id, b.number
FROM parts
CROSS JOIN unnest(parts.blacklist) AS b (number);

-- name: announce_revision$
-- The listeners hear of it when the transaction commits.
WITH added AS (
    INSERT INTO revisions (summary) VALUES (:summary) RETURNING id
)
SELECT id FROM added, pg_notify('callctl_directory', added.id::text);
