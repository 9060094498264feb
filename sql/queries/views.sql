-- name: read_live_calls
-- Every call of this moment, the longest first.
SELECT
    call_id, did, tenant, caller, area, stage, setup_at, answered_at, line, charges
FROM live_calls
ORDER BY setup_at, call_id
LIMIT :limit;

-- name: read_cdrs
-- The latest calls that match; a null condition matches all.
SELECT
    call_id, did, tenant, caller, area_code, area, line, disposition, hangup_cause, ended_by,
    setup_at, answered_at, ended_at, ring_seconds, talk_seconds, cost_micros, currency,
    sip_call_id, revision_id, trace
FROM cdrs
WHERE
    (:dids::text [] IS NULL OR did = ANY (:dids))
    AND (:callers::text [] IS NULL OR caller = ANY (:callers))
    AND (:tenant::text IS NULL OR tenant = :tenant)
    AND (:since::timestamptz IS NULL OR setup_at >= :since)
ORDER BY setup_at DESC, call_id
LIMIT :limit;

-- name: read_cdr_legs
-- The legs of these calls, in the order they were set up.
SELECT
    leg_id, call_id, side, line, number, sip_call_id, disposition, hangup_cause, setup_at,
    answered_at, ended_at, ring_seconds, talk_seconds, billed_seconds, cost_micros, account,
    tariff, tariff_version, rate_prefix
FROM cdr_legs
WHERE call_id = ANY (:call_ids::uuid [])
ORDER BY call_id, side, setup_at, leg_id;

-- name: read_accounts
-- One account by its name or its tenant's, or all of them when the name is null.
SELECT
    a.name, a.kind, a.currency, a.balance_micros, a.held_micros, a.credit_limit_micros,
    a.open_reservations, a.created_at, t.name AS tenant
FROM accounts AS a
LEFT JOIN tenants AS t ON t.account_id = a.id
WHERE :name::text IS NULL OR a.name IN (:name, 'tenant:' || :name)
ORDER BY a.kind, a.name;

-- name: read_statement
-- The latest entries of an account, newest first; a post for talk time names its call.
SELECT
    e.transfer_id, e.kind, e.amount_micros, e.balance_micros, e.memo, e.created_at,
    l.call_id, c.caller, c.did
FROM (
    SELECT n.*
    FROM entries AS n
    WHERE n.account_id = (SELECT a.id FROM accounts AS a WHERE a.name = :name)
    ORDER BY n.position DESC
    LIMIT :limit
) AS e
LEFT JOIN reservations AS r ON r.id = e.reservation_id
LEFT JOIN cdr_legs AS l ON l.leg_id = r.leg_id
LEFT JOIN cdrs AS c ON c.call_id = l.call_id
ORDER BY e.position DESC;

-- name: has_schema$
-- Whether callctl has ever migrated this database.
SELECT to_regclass('schema_migrations') IS NOT NULL AS is_there;

-- name: read_schema_version$
-- The number of the last migration applied.
SELECT max(number) AS number FROM schema_migrations;

-- name: read_trunks
-- The trunks that lines are reached by.
SELECT DISTINCT trunk FROM lines ORDER BY trunk;

-- name: read_server_version$
-- PostgreSQL's version as a number: 150018.
SELECT current_setting('server_version_num')::integer AS number;
