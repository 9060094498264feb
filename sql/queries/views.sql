-- name: read_live_calls
-- Every call of this moment, the longest first, with what its accounts can still spend.
SELECT
    l.call_id, l.did, l.tenant, l.caller, l.area, l.stage, l.setup_at, l.answered_at, l.line,
    l.charges, a.available
FROM live_calls AS l
CROSS JOIN LATERAL (
    SELECT
        jsonb_object_agg(
            p.name, p.balance_micros + p.credit_limit_micros - p.held_micros
        ) AS available
    FROM accounts AS p
    WHERE p.id IN (
        SELECT (c.charge ->> 'account_id')::bigint
        FROM jsonb_array_elements(l.charges) AS c (charge)
    )
) AS a
ORDER BY l.setup_at, l.call_id
LIMIT :limit;

-- name: read_cdrs
-- The latest calls that match; a null condition matches all.
SELECT
    call_id, did, tenant, caller, area_code, area, line, disposition, hangup_cause, ended_by,
    setup_at, answered_at, ended_at, ring_seconds, talk_seconds, cost_micros, currency,
    sip_call_id, revision_id, stage, group_name, direction, parent_call_id, trace
FROM cdrs
WHERE
    (:dids::text [] IS NULL OR did = ANY (:dids))
    AND (:callers::text [] IS NULL OR caller = ANY (:callers))
    AND (:tenant::text IS NULL OR tenant = :tenant)
    AND (:since::timestamptz IS NULL OR setup_at >= :since)
ORDER BY setup_at DESC, call_id
LIMIT :limit;

-- name: read_cdr
-- One call; no row when there is none of that id.
SELECT
    call_id, did, tenant, caller, area_code, area, line, disposition, hangup_cause, ended_by,
    setup_at, answered_at, ended_at, ring_seconds, talk_seconds, cost_micros, currency,
    sip_call_id, revision_id, stage, group_name, direction, parent_call_id, trace
FROM cdrs
WHERE call_id = :call_id;

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
-- One account by its name or its tenant's, or all of them when the name is null; those that only
-- count limits, and their counterparts, when `with_limits`.
SELECT
    a.name, a.kind, a.currency, a.balance_micros, a.held_micros, a.credit_limit_micros,
    a.open_reservations, a.created_at, t.name AS tenant
FROM accounts AS a
LEFT JOIN tenants AS t ON t.account_id = a.id
WHERE
    (:name::text IS NULL OR a.name IN (:name, 'tenant:' || :name))
    AND (:with_limits::boolean OR a.kind NOT IN ('limit', 'usage'))
ORDER BY a.kind, a.name;

-- name: find_position$
-- The position of the account's last transfer at or before a moment; 0 when there was none.
-- `created_at` rises with `position` within an account, so the range is halved each time: up to
-- `early` all transfers are of then or before, from `late` on none is.
WITH RECURSIVE search (account_id, early, late) AS (
    SELECT
        a.id,
        0::bigint,
        1 + greatest(
            (SELECT max(f.position) FROM transfers AS f WHERE f.from_account_id = a.id),
            (
                SELECT max(t.position)
                FROM transfers AS t
                WHERE t.to_account_id = a.id AND t.amount_micros > 0
            ),
            0
        )
    FROM accounts AS a
    WHERE a.name = :name
    UNION ALL
    SELECT
        s.account_id,
        CASE WHEN p.created_at <= :at THEN p.position ELSE s.early END,
        CASE WHEN p.created_at <= :at THEN s.late ELSE (s.early + s.late) / 2 END
    FROM search AS s
    LEFT JOIN LATERAL (
        (
            SELECT f.position, f.created_at
            FROM transfers AS f
            WHERE
                f.from_account_id = s.account_id
                AND f.position >= (s.early + s.late) / 2
                AND f.position < s.late
            ORDER BY f.position
            LIMIT 1
        )
        UNION ALL
        (
            SELECT t.position, t.created_at
            FROM transfers AS t
            WHERE
                t.to_account_id = s.account_id
                AND t.amount_micros > 0
                AND t.position >= (s.early + s.late) / 2
                AND t.position < s.late
            ORDER BY t.position
            LIMIT 1
        )
        ORDER BY position
        LIMIT 1
    ) AS p ON TRUE
    WHERE s.late - s.early > 1
)
SELECT max(early) AS position FROM search;

-- name: read_account_at^
-- The account as it was after the transfer at `position`: what came later is taken back from what
-- is now, in one statement. The credit limit is today's; it has no history.
SELECT
    a.name, a.kind, a.currency, a.credit_limit_micros, a.created_at, t.name AS tenant,
    coalesce(
        (
            SELECT e.balance_micros
            FROM entries AS e
            WHERE e.account_id = a.id AND e.position <= :position
            ORDER BY e.position DESC
            LIMIT 1
        ),
        0
    ) AS balance_micros,
    (a.held_micros - later.held_micros)::bigint AS held_micros,
    (a.open_reservations - later.reservations)::integer AS open_reservations
FROM accounts AS a
LEFT JOIN tenants AS t ON t.account_id = a.id
CROSS JOIN LATERAL (
    SELECT
        coalesce(sum(f.hold_change_micros), 0) AS held_micros,
        coalesce(sum(f.open_change), 0) AS reservations
    FROM transfers AS f
    WHERE f.from_account_id = a.id AND f.position > :position
) AS later
WHERE a.name = :name;

-- name: read_statement
-- The latest entries of an account up to a position, newest first; a post for talk time names its
-- call.
SELECT
    e.transfer_id, e.kind, e.amount_micros, e.balance_micros, e.memo, e.created_at,
    l.call_id, c.caller, c.did
FROM (
    SELECT n.*
    FROM entries AS n
    WHERE
        n.account_id = (SELECT a.id FROM accounts AS a WHERE a.name = :name)
        AND n.position <= coalesce(:position::bigint, 9223372036854775807)
    ORDER BY n.position DESC
    LIMIT :limit
) AS e
LEFT JOIN reservations AS r ON r.id = e.reservation_id
LEFT JOIN cdr_legs AS l ON l.leg_id = r.leg_id
LEFT JOIN cdrs AS c ON c.call_id = l.call_id
ORDER BY e.position DESC;

-- name: find_revenue_account$
-- The account that gets what an account pays: the revenue of its reseller, or ours.
SELECT v.id
FROM accounts AS a
LEFT JOIN tenants AS t ON t.account_id = a.id
LEFT JOIN resellers AS o ON o.account_id = a.id
LEFT JOIN resellers AS s ON s.id = coalesce(t.reseller_id, o.parent_id)
INNER JOIN accounts AS v ON v.name = 'revenue:' || coalesce('reseller:' || s.name, a.currency)
WHERE a.name = :name;

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
