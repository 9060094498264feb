-- Lines and queues; see sql/migrations/0009_queues.sql. :lines NULL means all.

-- name: read_line_states
SELECT
    line_id, version, timezone, call_count, last_call_at, rested_until, rested_why,
    wraps_up_until, hold_seconds, others
FROM callctl_line_states_v1(:lines::bigint [], :switch);

-- name: take_line_seat$
-- True: taken, false: all are taken, null: there is no such line any more.
SELECT callctl_take_seat_v1(:line_id, :call_id, :capacity, :switch, :lease_seconds);

-- name: use_lines
SELECT DISTINCT line_id FROM callctl_use_lines_v1(:uses::jsonb, :switch) AS used (line_id);

-- name: renew_line_seats!
-- Those that somebody changes at this moment need no renewal.
UPDATE line_seats AS s
SET until = clock_timestamp() + make_interval(secs => :lease_seconds)
FROM (
    SELECT held.line_id, held.call_id
    FROM line_seats AS held
    INNER JOIN unnest(:lines::bigint [], :calls::uuid []) AS ours (line_id, call_id)
        ON ours.line_id = held.line_id AND ours.call_id = held.call_id
    WHERE held.switch = :switch
    FOR UPDATE OF held SKIP LOCKED
) AS held
WHERE s.line_id = held.line_id AND s.call_id = held.call_id;

-- name: keep_line_seats!
-- Of calls that go on, be their lease over or not.
WITH kept AS (
    UPDATE line_seats SET until = clock_timestamp() + make_interval(secs => :lease_seconds)
    WHERE call_id = ANY(:calls::uuid []) RETURNING line_id
)
SELECT pg_notify('callctl_lines', ' ' || line_id) FROM kept;

-- name: release_line_seats!
-- Seats of calls that are over; other switches see it when they look again.
WITH released AS (
    DELETE FROM line_seats WHERE call_id = ANY(:calls::uuid []) RETURNING line_id
)
SELECT pg_notify('callctl_lines', ' ' || line_id) FROM released;

-- name: enter_queue^
-- No row: the queue is full.
SELECT version, entered_at, is_vip
FROM callctl_enter_queue_v1(:place::jsonb, :length_max::integer, :lease_seconds);

-- name: claim_queue_place^
SELECT is_first, version, line_id
FROM callctl_claim_place_v1(
    :call_id, :lines::bigint [], :capacities::integer [], :switch, :lease_seconds, :seat_seconds,
    :seat_call_id
);

-- name: leave_queues
SELECT tenant, group_name, version
FROM callctl_leave_queues_v1(:leave::uuid [], :release::uuid [], :switch);

-- name: find_plain_places
-- Those of :calls whose place is not kept for a callback.
SELECT call_id FROM queue_places
WHERE call_id = ANY(:calls::uuid []) AND callback_until IS NULL;

-- name: renew_queue_places
-- The calls of :calls that have a place; those that somebody changes at this moment too.
WITH renewed AS (
    UPDATE queue_places SET until = clock_timestamp() + make_interval(secs => :lease_seconds)
    WHERE call_id IN (
        SELECT p.call_id FROM queue_places AS p
        WHERE p.call_id = ANY(:calls::uuid [])
        FOR UPDATE SKIP LOCKED
    )
)
SELECT call_id FROM queue_places WHERE call_id = ANY(:calls::uuid []);

-- name: sweep_queues!
SELECT callctl_sweep_queues_v1();

-- name: read_queues
-- Every queue, or one; a row for each place, one without a call for an empty queue.
SELECT
    q.tenant, q.group_name, q.version, p.call_id, p.did, p.caller, p.is_vip, p.entered_at,
    p.line_ids, p.state, p.callback_until
FROM queues AS q
LEFT JOIN queue_places AS p ON p.tenant = q.tenant AND p.group_name = q.group_name
WHERE
    (:tenant::text IS NULL OR q.tenant = :tenant)
    AND (:group_name::text IS NULL OR q.group_name = :group_name);

-- name: list_lines
-- Every line, or a tenant's, with what it does. Calls of lines without a capacity have no seats.
SELECT
    t.name AS tenant,
    l.name AS line,
    l.number,
    l.is_on,
    l.schedule,
    greatest(
        (
            SELECT count(*) FROM line_seats AS seat
            WHERE seat.line_id = l.id AND seat.until > clock_timestamp()
        ),
        (
            SELECT count(*) FROM live_calls AS c
            WHERE c.tenant = t.name AND c.line = l.name AND c.stage IN ('ringing', 'talking')
        )
    ) AS live_calls,
    l.capacity,
    coalesce(s.call_count, 0) AS calls_today,
    s.last_call_at,
    CASE WHEN s.rested_until > clock_timestamp() THEN s.rested_until END AS rested_until,
    CASE WHEN s.rested_until > clock_timestamp() THEN s.rested_why END AS rested_why,
    CASE WHEN s.wraps_up_until > clock_timestamp() THEN s.wraps_up_until END AS wraps_up_until
FROM lines AS l
INNER JOIN tenants AS t ON t.id = l.tenant_id
LEFT JOIN callctl_line_states_v1(NULL, '') AS s ON s.line_id = l.id
WHERE :tenant::text IS NULL OR t.name = :tenant
ORDER BY t.name, l.name
LIMIT :limit;

-- name: list_queue_places
-- Who waits, each queue in its order.
SELECT
    p.tenant,
    p.group_name AS "group",
    row_number() OVER (
        PARTITION BY p.tenant, p.group_name
        ORDER BY p.is_vip DESC, p.entered_at, p.call_id
    )::integer AS place,
    p.did,
    p.caller,
    p.is_vip,
    p.entered_at,
    p.state,
    p.callback_until,
    p.call_id
FROM queue_places AS p
WHERE p.until > clock_timestamp() AND (:tenant::text IS NULL OR p.tenant = :tenant)
ORDER BY p.tenant, p.group_name, place
LIMIT :limit;
