-- What callctl apply compares and writes, and what the switch loads. :tenants NULL means all.

-- name: begin_directory_snapshot#
-- First in its transaction: the reads after it see one moment.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;

-- name: lock_directory$
-- One apply at a time; held to the end of the transaction.
SELECT pg_advisory_xact_lock(hashtext('callctl directory'))::text;

-- name: read_directory_revision$
SELECT coalesce(max(id), 0) FROM revisions;

-- name: read_directory_calendars
-- One row a day.
SELECT
    c.name,
    d.date,
    d.kind,
    d.name AS day_name
FROM calendars AS c
INNER JOIN calendar_days AS d ON d.calendar_id = c.id
ORDER BY c.id, d.date;

-- name: read_directory_tariffs
-- Every tariff, or the named ones, at its newest version.
SELECT
    t.id,
    t.name,
    t.currency,
    v.version,
    v.version_id,
    v.calendar,
    v.rate_count,
    v.created_at
FROM tariffs AS t
CROSS JOIN LATERAL (
    SELECT w.id AS version_id, w.version, w.calendar, w.rate_count, w.created_at
    FROM tariff_versions AS w
    WHERE w.tariff_id = t.id
    ORDER BY w.version DESC
    LIMIT 1
) AS v
WHERE :tariffs::text [] IS NULL OR t.name = ANY(:tariffs::text [])
ORDER BY t.id;

-- name: read_rate_range^
-- The ids of a version's rates, from the first to the last; others' may lie between.
SELECT min(id) AS first_id, max(id) AS last_id
FROM rates
WHERE tariff_version_id = :version_id;

-- name: read_directory_rates
-- A page of a version's rates, in the order of the file. "+ 0" keeps the planner from combining
-- the ids with an index of the whole version, again for each page.
SELECT
    id,
    prefix,
    area,
    connect_fee_micros,
    price_per_minute_micros,
    minimum_seconds,
    first_increment_seconds,
    next_increment_seconds,
    round_to_micros,
    free_seconds,
    first_step_seconds,
    first_step_price_micros,
    maximum_cost_micros,
    valid_from,
    valid_until,
    bands::text AS bands
FROM rates
WHERE tariff_version_id + 0 = :version_id AND id BETWEEN :first_id AND :last_id
ORDER BY id;

-- name: read_frozen_rates
-- Rates of any version by their ids, each with its version's calendar.
SELECT
    r.id,
    r.prefix,
    r.area,
    r.connect_fee_micros,
    r.price_per_minute_micros,
    r.minimum_seconds,
    r.first_increment_seconds,
    r.next_increment_seconds,
    r.round_to_micros,
    r.free_seconds,
    r.first_step_seconds,
    r.first_step_price_micros,
    r.maximum_cost_micros,
    r.valid_from,
    r.valid_until,
    r.bands::text AS bands,
    v.calendar::text AS calendar
FROM rates AS r
INNER JOIN tariff_versions AS v ON r.tariff_version_id = v.id
WHERE r.id = ANY(:rate_ids::bigint []);

-- name: read_directory_resellers
-- Every reseller; `revenue_account_id` is where what it pays is posted.
SELECT
    r.id,
    r.name,
    r.timezone,
    r.parent_id,
    r.account_id,
    a.name AS account_name,
    a.currency,
    a.credit_limit_micros,
    a.balance_micros - a.held_micros AS unheld_micros,
    v.id AS revenue_account_id,
    r.limits,
    t.name AS tariff,
    l.name AS line_tariff,
    p.name AS reseller,
    coalesce(o.amount_micros, 0) AS opening_balance_micros
FROM resellers AS r
INNER JOIN accounts AS a ON r.account_id = a.id
INNER JOIN tariffs AS t ON r.tariff_id = t.id
LEFT JOIN tariffs AS l ON r.line_tariff_id = l.id
LEFT JOIN resellers AS p ON r.parent_id = p.id
INNER JOIN accounts AS v
    ON v.name = 'revenue:' || coalesce('reseller:' || p.name, a.currency)
LEFT JOIN transfers AS o
    ON o.to_account_id = a.id AND o.kind = 'opening' AND o.amount_micros > 0
ORDER BY r.id;

-- name: read_directory_tenants
SELECT
    t.id,
    t.name,
    t.language,
    t.timezone,
    t.warn_seconds,
    t.limits,
    t.recording_days,
    t.switch_pin,
    nullif(t.answering, '{}') AS answering,
    c.name AS calendar,
    t.reseller_id,
    s.name AS reseller,
    t.account_id,
    a.name AS account_name,
    a.currency,
    a.credit_limit_micros,
    a.balance_micros - a.held_micros AS unheld_micros,
    r.id AS revenue_account_id,
    coalesce(o.amount_micros, 0) AS opening_balance_micros
FROM tenants AS t
INNER JOIN accounts AS a ON t.account_id = a.id
LEFT JOIN calendars AS c ON t.calendar_id = c.id
LEFT JOIN resellers AS s ON t.reseller_id = s.id
INNER JOIN accounts AS r
    ON r.name = 'revenue:' || coalesce('reseller:' || s.name, a.currency)
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
    l.is_on,
    l.schedule,
    l.capacity,
    l.confirm_key,
    l.is_announced,
    l.wrap_up_seconds,
    l.is_recorded,
    t.name AS tariff,
    c.name AS carrier_tariff,
    k.id AS carrier_account_id,
    r.id AS own_revenue_account_id
FROM lines AS l
INNER JOIN tenants AS n ON l.tenant_id = n.id
INNER JOIN accounts AS a ON n.account_id = a.id
LEFT JOIN tariffs AS t ON l.tariff_id = t.id
LEFT JOIN tariffs AS c ON l.carrier_tariff_id = c.id
LEFT JOIN accounts AS k ON k.name = 'carrier:' || l.trunk || ':' || a.currency
LEFT JOIN accounts AS r ON r.name = 'revenue:' || a.currency
WHERE l.tenant_id = ANY(:tenant_ids::bigint [])
ORDER BY l.id;

-- name: read_directory_dids
-- Where there is nothing in an object, as for most, there is none to decode.
SELECT
    d.id,
    d.tenant_id,
    d.number,
    d.ringback,
    d.greeting,
    d.is_barge_in,
    d.target,
    d.strategy,
    nullif(d.routes, '[]') AS routes,
    d.lists,
    d.calls_per_caller_minute,
    d.schedule,
    d.closed,
    d.is_recorded,
    nullif(d.extras, '{}') AS extras,
    d.limits,
    t.name AS tariff,
    coalesce(w.position, 'schedule') AS switch,
    d.callback_trunk,
    d.callback_ring_seconds,
    b.name AS callback_tariff,
    c.name AS callback_carrier_tariff,
    k.id AS carrier_account_id,
    r.id AS own_revenue_account_id,
    ARRAY(
        SELECT x.line_id FROM did_lines AS x WHERE x.did_id = d.id ORDER BY x.position
    ) AS line_ids,
    ARRAY(
        SELECT e.number FROM blacklist_entries AS e WHERE e.did_id = d.id ORDER BY e.number
    ) AS blacklist
FROM dids AS d
INNER JOIN tenants AS n ON d.tenant_id = n.id
INNER JOIN accounts AS a ON n.account_id = a.id
INNER JOIN tariffs AS t ON d.tariff_id = t.id
LEFT JOIN did_switches AS w ON d.number = w.did
LEFT JOIN tariffs AS b ON d.callback_tariff_id = b.id
LEFT JOIN tariffs AS c ON d.callback_carrier_tariff_id = c.id
LEFT JOIN accounts AS k ON k.name = 'carrier:' || d.callback_trunk || ':' || a.currency
LEFT JOIN accounts AS r ON r.name = 'revenue:' || a.currency
WHERE d.tenant_id = ANY(:tenant_ids::bigint [])
ORDER BY d.id;

-- name: find_did_owners
-- Whose the numbers are now.
SELECT d.number, t.name AS tenant
FROM dids AS d
INNER JOIN tenants AS t ON d.tenant_id = t.id
WHERE d.number = ANY(:numbers::text []);

-- name: find_line_owners
-- Lines of other tenants than the named whose numbers are among these.
SELECT l.number, l.name, t.name AS tenant
FROM lines AS l
INNER JOIN tenants AS t ON l.tenant_id = t.id
WHERE l.number = ANY(:numbers::text []) AND t.name <> ALL(:tenants::text []);

-- name: find_audio
-- The audio that tenants have uploaded.
SELECT a.tenant, a.name
FROM audio_files AS a
WHERE a.tenant = ANY(:tenants::text []);

-- name: find_tariff_users
-- Who is priced by the tariff: DIDs with their callbacks, lines (with their numbers) and
-- resellers; not those of the named tenants and resellers.
SELECT 'DID' AS kind, d.number AS name, n.name AS tenant, NULL AS number
FROM dids AS d
INNER JOIN tariffs AS t
    ON t.id IN (d.tariff_id, d.callback_tariff_id, d.callback_carrier_tariff_id)
INNER JOIN tenants AS n ON d.tenant_id = n.id
WHERE t.name = :tariff AND n.name <> ALL(:tenants::text [])
UNION ALL
SELECT 'line', l.name, n.name, l.number
FROM lines AS l
INNER JOIN tariffs AS t ON t.id IN (l.tariff_id, l.carrier_tariff_id)
INNER JOIN tenants AS n ON l.tenant_id = n.id
WHERE t.name = :tariff AND n.name <> ALL(:tenants::text [])
UNION ALL
SELECT 'reseller', r.name, NULL, NULL
FROM resellers AS r
INNER JOIN tariffs AS t ON t.id IN (r.tariff_id, r.line_tariff_id)
WHERE t.name = :tariff AND r.name <> ALL(:resellers::text [])
ORDER BY kind, tenant, name;

-- name: find_unpriced
-- Which of the wanted versions have none of the rates that would do.
SELECT w.position
FROM jsonb_to_recordset(:wanted::jsonb) AS w (
    position integer, version_id bigint, prefixes text [], areas text []
)
WHERE NOT EXISTS (
    SELECT FROM rates AS r
    WHERE
        r.tariff_version_id = w.version_id
        AND (
            (r.area = '' AND r.prefix = ANY(w.prefixes))
            OR (r.prefix = '' AND r.area = ANY(w.areas))
        )
)
ORDER BY w.position;

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

-- name: add_tariff_version$
INSERT INTO tariff_versions (tariff_id, version, calendar, rate_count)
SELECT :tariff_id, coalesce(max(version), 0) + 1, :calendar, :rate_count
FROM tariff_versions
WHERE tariff_id = :tariff_id
RETURNING id;

-- name: add_rates!
-- A page of a version's rates.
INSERT INTO rates (
    tariff_version_id, prefix, area, connect_fee_micros, price_per_minute_micros, minimum_seconds,
    first_increment_seconds, next_increment_seconds, round_to_micros, free_seconds,
    first_step_seconds, first_step_price_micros, maximum_cost_micros, valid_from, valid_until,
    bands
)
SELECT
    :version_id, r.prefix, r.area, r.connect_fee_micros, r.price_per_minute_micros,
    r.minimum_seconds, r.first_increment_seconds, r.next_increment_seconds, r.round_to_micros,
    r.free_seconds, r.first_step_seconds, r.first_step_price_micros, r.maximum_cost_micros,
    r.valid_from, r.valid_until, r.bands::jsonb
FROM unnest(
    :prefixes::text [],
    :areas::text [],
    :connect_fees::bigint [],
    :prices::bigint [],
    :minimums::integer [],
    :first_increments::integer [],
    :next_increments::integer [],
    :roundings::bigint [],
    :free_seconds::integer [],
    :first_steps::integer [],
    :first_step_prices::bigint [],
    :maximum_costs::bigint [],
    :valid_from::timestamptz [],
    :valid_until::timestamptz [],
    :bands::text []
) WITH ORDINALITY AS r (
    prefix, area, connect_fee_micros, price_per_minute_micros, minimum_seconds,
    first_increment_seconds, next_increment_seconds, round_to_micros, free_seconds,
    first_step_seconds, first_step_price_micros, maximum_cost_micros, valid_from, valid_until,
    bands, position
)
ORDER BY r.position;

-- name: write_calendar$
INSERT INTO calendars (name) VALUES (:name)
ON CONFLICT (name) DO UPDATE SET name = excluded.name
RETURNING id;

-- name: remove_calendar_days!
DELETE FROM calendar_days WHERE calendar_id = :calendar_id;

-- name: write_calendar_days!
INSERT INTO calendar_days (calendar_id, date, kind, name)
SELECT :calendar_id, d.date, d.kind, d.name
FROM unnest(:dates::date [], :kinds::text [], :names::text []) AS d (date, kind, name);

-- name: write_reseller!
-- Its parent was written before.
INSERT INTO resellers (
    name, timezone, account_id, tariff_id, line_tariff_id, parent_id, limits
)
SELECT
    :name, :timezone, :account_id, t.id, l.id, p.id, :limits
FROM tariffs AS t
LEFT JOIN tariffs AS l ON l.name = :line_tariff
LEFT JOIN resellers AS p ON p.name = :reseller
WHERE t.name = :tariff
ON CONFLICT (name) DO UPDATE SET
    timezone = excluded.timezone,
    tariff_id = excluded.tariff_id,
    line_tariff_id = excluded.line_tariff_id,
    parent_id = excluded.parent_id,
    limits = excluded.limits;

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
INSERT INTO tenants (
    name, language, timezone, account_id, warn_seconds, limits, reseller_id, calendar_id,
    recording_days, switch_pin, answering
)
VALUES (
    :name, :language, :timezone, :account_id, :warn_seconds::integer [], :limits,
    (SELECT r.id FROM resellers AS r WHERE r.name = :reseller),
    (SELECT c.id FROM calendars AS c WHERE c.name = :calendar),
    :recording_days, :switch_pin, :answering
)
ON CONFLICT (name) DO UPDATE SET
    language = excluded.language,
    timezone = excluded.timezone,
    warn_seconds = excluded.warn_seconds,
    limits = excluded.limits,
    reseller_id = excluded.reseller_id,
    calendar_id = excluded.calendar_id,
    recording_days = excluded.recording_days,
    switch_pin = excluded.switch_pin,
    answering = excluded.answering
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
INSERT INTO lines (
    tenant_id, name, number, trunk, tariff_id, carrier_tariff_id, ring_seconds, areas, is_on,
    schedule, capacity, confirm_key, is_announced, wrap_up_seconds, is_recorded
)
SELECT
    :tenant_id, l.name, l.number, l.trunk, t.id, c.id, l.ring_seconds, l.areas, l.is_on,
    l.schedule, l.capacity, l.confirm_key, l.is_announced, l.wrap_up_seconds, l.is_recorded
FROM ROWS FROM (
    jsonb_to_recordset(:lines::jsonb) AS (
        name text, number text, trunk text, tariff text, carrier_tariff text,
        ring_seconds integer, areas text [], is_on boolean, schedule text, capacity integer,
        confirm_key text, is_announced boolean, wrap_up_seconds integer, is_recorded boolean
    )
) WITH ORDINALITY AS l (
    name, number, trunk, tariff, carrier_tariff, ring_seconds, areas, is_on, schedule, capacity,
    confirm_key, is_announced, wrap_up_seconds, is_recorded, position
)
LEFT JOIN tariffs AS t ON l.tariff = t.name
LEFT JOIN tariffs AS c ON l.carrier_tariff = c.name
ORDER BY l.position
ON CONFLICT (tenant_id, name) DO UPDATE SET
    number = excluded.number,
    trunk = excluded.trunk,
    tariff_id = excluded.tariff_id,
    carrier_tariff_id = excluded.carrier_tariff_id,
    ring_seconds = excluded.ring_seconds,
    areas = excluded.areas,
    is_on = excluded.is_on,
    schedule = excluded.schedule,
    capacity = excluded.capacity,
    confirm_key = excluded.confirm_key,
    is_announced = excluded.is_announced,
    wrap_up_seconds = excluded.wrap_up_seconds,
    is_recorded = excluded.is_recorded;

-- name: write_dids!
INSERT INTO dids (
    tenant_id, number, tariff_id, ringback, greeting, is_barge_in, target, strategy, routes,
    lists, calls_per_caller_minute, schedule, closed, is_recorded, callback_trunk,
    callback_tariff_id, callback_carrier_tariff_id, callback_ring_seconds, extras, limits
)
SELECT
    :tenant_id, d.number, t.id, d.ringback, d.greeting, d.is_barge_in, d.target, d.strategy,
    d.routes, d.lists, d.calls_per_caller_minute, d.schedule, d.closed, d.is_recorded,
    d.callback_trunk, b.id, c.id, d.callback_ring_seconds, d.extras, d.limits
FROM ROWS FROM (
    jsonb_to_recordset(:dids::jsonb) AS (
        number text, tariff text, ringback text, greeting text, is_barge_in boolean,
        target text, strategy text, routes jsonb, lists text [],
        calls_per_caller_minute integer, schedule text, closed text, is_recorded boolean,
        callback_trunk text, callback_tariff text, callback_carrier_tariff text,
        callback_ring_seconds integer, extras jsonb, limits jsonb
    )
) WITH ORDINALITY AS d (
    number, tariff, ringback, greeting, is_barge_in, target, strategy, routes, lists,
    calls_per_caller_minute, schedule, closed, is_recorded, callback_trunk, callback_tariff,
    callback_carrier_tariff, callback_ring_seconds, extras, limits, position
)
INNER JOIN tariffs AS t ON d.tariff = t.name
LEFT JOIN tariffs AS b ON d.callback_tariff = b.name
LEFT JOIN tariffs AS c ON d.callback_carrier_tariff = c.name
ORDER BY d.position
ON CONFLICT (number) DO UPDATE SET
    tariff_id = excluded.tariff_id,
    ringback = excluded.ringback,
    greeting = excluded.greeting,
    is_barge_in = excluded.is_barge_in,
    target = excluded.target,
    strategy = excluded.strategy,
    routes = excluded.routes,
    lists = excluded.lists,
    calls_per_caller_minute = excluded.calls_per_caller_minute,
    schedule = excluded.schedule,
    closed = excluded.closed,
    is_recorded = excluded.is_recorded,
    callback_trunk = excluded.callback_trunk,
    callback_tariff_id = excluded.callback_tariff_id,
    callback_carrier_tariff_id = excluded.callback_carrier_tariff_id,
    callback_ring_seconds = excluded.callback_ring_seconds,
    extras = excluded.extras,
    limits = excluded.limits;

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
