-- What callctl audit proves. A proof's query returns the rows that break it: what is wrong with
-- which thing, what should be there and what is, at most :shown of them, `total` is all of them.
-- All run in one snapshot. A charge is what one account pays for one leg: a line of cdr_legs (the
-- tenant's) or of cdr_charges (a reseller's).

-- name: tune_audit$
-- For the transaction: what sorts and sums of millions of rows may take of memory each.
SELECT set_config('work_mem', '192MB', TRUE) AS work_mem;

-- name: read_audit_moment$
-- The moment that the snapshot shows.
SELECT now() AS at;

-- name: prove_balances
WITH moved AS (
    SELECT from_account_id AS account_id, -sum(amount_micros) AS micros
    FROM transfers
    GROUP BY from_account_id
    UNION ALL
    SELECT to_account_id AS account_id, sum(amount_micros) AS micros
    FROM transfers
    GROUP BY to_account_id
), sums AS (
    SELECT account_id, sum(micros) AS micros
    FROM moved
    GROUP BY account_id
)
SELECT
    a.name AS subject,
    'balance_micros' AS what,
    coalesce(s.micros, 0)::text AS expected,
    a.balance_micros::text AS found,
    count(*) OVER () AS total
FROM accounts AS a
LEFT JOIN sums AS s ON s.account_id = a.id
WHERE a.balance_micros <> coalesce(s.micros, 0)
ORDER BY a.name
LIMIT :shown;

-- name: prove_running_balances
WITH chain AS (
    SELECT
        account_id, position, amount_micros, balance_micros,
        lag(balance_micros, 1, 0::bigint) OVER (
            PARTITION BY account_id ORDER BY position
        ) AS before_micros
    FROM entries
), broken AS (
    SELECT
        account_id, position, before_micros + amount_micros AS expected_micros, balance_micros,
        count(*) OVER () AS total
    FROM chain
    WHERE balance_micros <> before_micros + amount_micros
    ORDER BY account_id, position
    LIMIT :shown
)
SELECT
    (
        SELECT e.transfer_id::text
        FROM entries AS e
        WHERE e.account_id = b.account_id AND e.position = b.position
    ) AS subject,
    'balance_micros of ' || a.name || ' after it' AS what,
    b.expected_micros::text AS expected,
    b.balance_micros::text AS found,
    b.total
FROM broken AS b
INNER JOIN accounts AS a ON a.id = b.account_id
ORDER BY b.account_id, b.position;

-- name: prove_held
WITH open_ones AS (
    SELECT account_id, sum(held_micros) AS micros, count(*) AS reservations
    FROM reservations
    WHERE closed_at IS NULL
    GROUP BY account_id
), changes AS (
    SELECT
        from_account_id AS account_id, sum(hold_change_micros) AS micros,
        sum(open_change) AS reservations
    FROM transfers
    GROUP BY from_account_id
)
SELECT
    a.name AS subject,
    v.what,
    v.expected::text AS expected,
    v.found::text AS found,
    count(*) OVER () AS total
FROM accounts AS a
LEFT JOIN open_ones AS o ON o.account_id = a.id
LEFT JOIN changes AS c ON c.account_id = a.id
CROSS JOIN LATERAL (
    VALUES
    ('held_micros, by open reservations', coalesce(o.micros, 0), a.held_micros),
    ('held_micros, by changes of what is held', coalesce(c.micros, 0), a.held_micros),
    ('open_reservations, by those open', coalesce(o.reservations, 0), a.open_reservations),
    ('open_reservations, by changes of them', coalesce(c.reservations, 0), a.open_reservations)
) AS v (what, expected, found)
WHERE v.expected <> v.found
ORDER BY a.name, v.what
LIMIT :shown;

-- name: prove_limits
-- The cap of a limit's account may have been lowered below what is used, so it is not looked at.
SELECT
    name AS subject,
    'available_micros' AS what,
    '0 or more' AS expected,
    (balance_micros + credit_limit_micros - held_micros)::text AS found,
    count(*) OVER () AS total
FROM accounts
WHERE
    kind IN ('prepaid', 'reseller')
    AND balance_micros + credit_limit_micros - held_micros < 0
ORDER BY name
LIMIT :shown;

-- name: prove_double_entry
-- What one account gives another takes, in one currency.
WITH pairs AS (
    SELECT from_account_id, to_account_id, count(*) AS transfers
    FROM transfers
    GROUP BY from_account_id, to_account_id
), broken AS (
    SELECT
        currency AS subject, 'sum of all balances, in micro-units' AS what, '0' AS expected,
        sum(balance_micros)::text AS found
    FROM accounts
    GROUP BY currency
    HAVING sum(balance_micros) <> 0
    UNION ALL
    SELECT
        coalesce(f.name, 'account ' || p.from_account_id) || ' to '
        || coalesce(t.name, 'account ' || p.to_account_id) AS subject,
        'currency of ' || p.transfers || ' transfers' AS what,
        coalesce(f.currency, 'an account') AS expected, coalesce(t.currency, 'no account') AS found
    FROM pairs AS p
    LEFT JOIN accounts AS f ON f.id = p.from_account_id
    LEFT JOIN accounts AS t ON t.id = p.to_account_id
    WHERE f.currency IS DISTINCT FROM t.currency OR f.id IS NULL
)
SELECT subject, what, expected, found, count(*) OVER () AS total
FROM broken
ORDER BY subject, what
LIMIT :shown;

-- name: prove_reservations
-- A reservation is a cache of its transfers, all of them its account's.
WITH moved AS (
    SELECT
        reservation_id, sum(amount_micros) AS posted_micros,
        sum(hold_change_micros) AS held_micros, min(from_account_id) AS first_id,
        max(from_account_id) AS last_id
    FROM transfers
    WHERE reservation_id IS NOT NULL
    GROUP BY reservation_id
), broken AS (
    SELECT
        coalesce(r.id, m.reservation_id) AS id, v.what, v.expected::text AS expected,
        v.found::text AS found
    FROM moved AS m
    FULL JOIN reservations AS r ON r.id = m.reservation_id
    CROSS JOIN LATERAL (
        VALUES
        ('posted_micros', m.posted_micros, r.posted_micros),
        ('held_micros', m.held_micros, r.held_micros),
        ('held_micros, closed', 0, CASE WHEN r.closed_at IS NOT NULL THEN r.held_micros ELSE 0 END),
        ('account of its first transfers', r.account_id, m.first_id),
        ('account of its last transfers', r.account_id, m.last_id)
    ) AS v (what, expected, found)
    WHERE
        (
            m.posted_micros, m.held_micros, r.account_id, r.account_id
        ) IS DISTINCT FROM (
            r.posted_micros, r.held_micros, m.first_id, m.last_id
        )
        OR (r.closed_at IS NOT NULL AND r.held_micros <> 0)
)
SELECT id::text AS subject, what, expected, found, count(*) OVER () AS total
FROM broken
WHERE expected IS DISTINCT FROM found
ORDER BY id, what
LIMIT :shown;

-- name: prove_live_reservations
-- Money is held for live calls and for nothing else. What began or ended less than :grace_seconds
-- ago is left out: the money and the call's row are written one after the other.
WITH live AS (
    SELECT c.call_id, c.stage, u.id
    FROM live_calls AS c
    CROSS JOIN LATERAL unnest(c.reservations) AS u (id)
), broken AS (
    SELECT
        r.id::text AS subject, 'open reservation of leg ' || r.leg_id AS what,
        'a live call' AS expected, 'none, since ' || r.opened_at AS found
    FROM reservations AS r
    WHERE
        r.closed_at IS NULL
        AND r.opened_at < now() - make_interval(secs => :grace_seconds)
        AND NOT EXISTS (SELECT FROM live AS l WHERE l.id = r.id)
    UNION ALL
    SELECT
        l.id::text AS subject, 'reservation of talking call ' || l.call_id AS what,
        'open' AS expected, coalesce('closed at ' || r.closed_at, 'none') AS found
    FROM live AS l
    LEFT JOIN reservations AS r ON r.id = l.id
    WHERE
        l.stage = 'talking'
        AND (
            r.id IS NULL
            OR r.closed_at < now() - make_interval(secs => :grace_seconds)
        )
)
SELECT subject, what, expected, found, count(*) OVER () AS total
FROM broken
ORDER BY what, subject
LIMIT :shown;

-- name: prove_cdr_costs
WITH legs AS (
    SELECT call_id, sum(cost_micros) AS micros
    FROM cdr_legs
    GROUP BY call_id
)
SELECT
    c.call_id::text AS subject,
    'cost_micros' AS what,
    coalesce(l.micros, 0)::text AS expected,
    c.cost_micros::text AS found,
    count(*) OVER () AS total
FROM cdrs AS c
LEFT JOIN legs AS l ON l.call_id = c.call_id
WHERE c.cost_micros <> coalesce(l.micros, 0)
ORDER BY c.setup_at, c.call_id
LIMIT :shown;

-- name: prove_charge_rates
-- The rate of a charge is one of the tariff version that the charge names; no cost without one.
WITH charges AS (
    SELECT leg_id, account, tariff, tariff_version, rate_id
    FROM cdr_legs
    WHERE rate_id IS NOT NULL OR cost_micros <> 0
    UNION ALL
    SELECT leg_id, account, tariff, tariff_version, rate_id
    FROM cdr_charges
), used AS (
    SELECT tariff, tariff_version, rate_id, count(*) AS charges
    FROM charges
    GROUP BY tariff, tariff_version, rate_id
), broken AS (
    SELECT
        'rate ' || coalesce(u.rate_id::text, 'none') AS subject,
        'tariff version of ' || u.charges || ' charges' AS what,
        coalesce(t.name || ' v' || v.version, 'a rate') AS expected,
        coalesce(u.tariff || ' v' || u.tariff_version, 'none') AS found,
        u.charges
    FROM used AS u
    LEFT JOIN rates AS r ON r.id = u.rate_id
    LEFT JOIN tariff_versions AS v ON v.id = r.tariff_version_id
    LEFT JOIN tariffs AS t ON t.id = v.tariff_id
    WHERE (t.name, v.version) IS DISTINCT FROM (u.tariff, u.tariff_version) OR r.id IS NULL
)
SELECT subject, what, expected, found, (sum(charges) OVER ())::bigint AS total
FROM broken
ORDER BY subject, what
LIMIT :shown;

-- name: read_plain_charges
-- Charges at rates without bands, for which the hour makes no difference, nor do parts of a
-- second: one row for all of them that must be alike.
WITH charges AS (
    SELECT rate_id, charged_ms, billed_seconds, cost_micros
    FROM cdr_legs
    WHERE rate_id IS NOT NULL
    UNION ALL
    SELECT rate_id, charged_ms, billed_seconds, cost_micros
    FROM cdr_charges
)
SELECT
    c.rate_id, (c.charged_ms + 999) / 1000 AS seconds, c.billed_seconds, c.cost_micros,
    count(*) AS charges
FROM charges AS c
INNER JOIN rates AS r ON r.id = c.rate_id
WHERE r.bands = '[]'
GROUP BY 1, 2, 3, 4;

-- name: find_plain_charges
-- Whose charges a row of read_plain_charges stands for.
SELECT leg_id, account
FROM (
    SELECT leg_id, account, rate_id, charged_ms, billed_seconds, cost_micros
    FROM cdr_legs
    UNION ALL
    SELECT leg_id, account, rate_id, charged_ms, billed_seconds, cost_micros
    FROM cdr_charges
) AS c
WHERE
    c.rate_id = :rate_id
    AND (c.charged_ms + 999) / 1000 = :seconds
    AND c.billed_seconds = :billed_seconds
    AND c.cost_micros = :cost_micros
LIMIT :shown;

-- name: read_banded_charges
-- Charges at rates whose price changes with the hour, one by one.
WITH charges AS (
    SELECT
        leg_id, account, rate_id, charged_from, charged_ms, timezone, billed_seconds, cost_micros
    FROM cdr_legs
    WHERE rate_id IS NOT NULL
    UNION ALL
    SELECT
        leg_id, account, rate_id, charged_from, charged_ms, timezone, billed_seconds, cost_micros
    FROM cdr_charges
)
SELECT
    c.leg_id, c.account, c.rate_id, c.charged_from, c.charged_ms, c.timezone, c.billed_seconds,
    c.cost_micros
FROM charges AS c
INNER JOIN rates AS r ON r.id = c.rate_id
WHERE r.bands <> '[]';

-- name: read_unlike_charges
-- Charges that are not simply what their one closed reservation posted, and reservations that
-- posted for no charge. The difference may be a refund; its id tells.
WITH charges AS (
    SELECT leg_id, account, reservation_id, cost_micros
    FROM cdr_legs
    WHERE reservation_id IS NOT NULL OR cost_micros <> 0
    UNION ALL
    SELECT leg_id, account, reservation_id, cost_micros
    FROM cdr_charges
)
SELECT
    c.leg_id,
    c.account,
    c.reservation_id,
    c.cost_micros,
    r.id AS found_id,
    r.leg_id AS found_leg_id,
    a.name AS found_account,
    r.posted_micros,
    r.closed_at IS NOT NULL AS is_closed
FROM charges AS c
FULL JOIN reservations AS r ON r.id = c.reservation_id
LEFT JOIN accounts AS a ON a.id = r.account_id
WHERE
    (
        c.leg_id IS NOT NULL
        AND (r.id IS NOT NULL OR c.cost_micros <> 0)
        AND (
            (r.leg_id, a.name, r.posted_micros) IS DISTINCT FROM (c.leg_id, c.account, c.cost_micros)
            OR r.closed_at IS NULL
        )
    )
    OR (
        c.leg_id IS NULL
        AND r.posted_micros > 0
        AND a.kind <> 'limit'
        AND r.closed_at < now() - make_interval(secs => :grace_seconds)
        AND NOT EXISTS (
            SELECT FROM live_calls AS l WHERE r.id = ANY (l.reservations)
        )
    );

-- name: read_transfer_amounts
-- Which of these refunds there are, and their amounts.
SELECT id, amount_micros
FROM transfers
WHERE id = ANY (:transfer_ids::uuid []) AND kind = 'refund';

-- name: read_leg_refunds
-- What was given back to who pays for legs: posted beyond the end of a talk.
SELECT t.id, a.name AS account, t.amount_micros
FROM transfers AS t
INNER JOIN accounts AS a ON a.id = t.to_account_id
WHERE
    t.kind = 'refund'
    AND a.kind IN ('prepaid', 'reseller')
    AND t.created_at < now() - make_interval(secs => :grace_seconds);

-- name: read_live_reservations
-- The reservations of the calls that live.
SELECT u.id
FROM live_calls AS c
CROSS JOIN LATERAL unnest(c.reservations) AS u (id);

-- name: read_double_charges
-- Legs for which one account is charged as tenant and as reseller, out of one reservation.
SELECT c.leg_id, c.account
FROM cdr_charges AS c
INNER JOIN cdr_legs AS l ON l.leg_id = c.leg_id AND l.account = c.account
ORDER BY c.leg_id;

-- name: make_asterisk_events!
-- A table of this session's own, gone with it, for what Asterisk wrote.
CREATE TEMPORARY TABLE asterisk_events (
    channel_id text NOT NULL,
    linked_id text NOT NULL,
    call_id uuid,  -- NULL: not told
    is_answer boolean NOT NULL,
    at_micros bigint NOT NULL
);

-- name: measure_asterisk_events!
ANALYZE asterisk_events;

-- name: read_first_answer$
-- When the first leg in the file was answered, in the milliseconds that CDRs have.
SELECT date_trunc('milliseconds', to_timestamp(min(at_micros) / 1000000.0)) AS at
FROM asterisk_events
WHERE is_answer;

-- name: prove_asterisk_legs
-- Each leg that Asterisk saw answered is one leg of a CDR, and the other way round, as long to
-- within a second. Left out: what was answered before :since, what ended less than
-- :grace_seconds before the file was read, and what belongs to a call that still lives: a line
-- that answered and did not take the call may have ended long before it. Channel ids may repeat
-- after a restart of Asterisk: where the file tells calls, a channel is one call's.
WITH theirs AS (
    SELECT
        channel_id, call_id,
        min(linked_id) AS linked_id,
        count(*) FILTER (WHERE is_answer) AS answers,
        count(*) FILTER (WHERE NOT is_answer) AS hangups,
        to_timestamp(min(at_micros) FILTER (WHERE is_answer) / 1000000.0) AS answered_at,
        to_timestamp(max(at_micros) FILTER (WHERE NOT is_answer) / 1000000.0) AS ended_at
    FROM asterisk_events
    GROUP BY channel_id, call_id
    HAVING
        count(*) FILTER (WHERE is_answer) > 0
        AND to_timestamp(min(at_micros) FILTER (WHERE is_answer) / 1000000.0)
        >= :since::timestamptz - interval '5 s'
), told AS (
    SELECT DISTINCT channel_id
    FROM asterisk_events
    WHERE call_id IS NOT NULL
), ours AS (
    SELECT
        l.channel_id, CASE WHEN t.channel_id IS NOT NULL THEN l.call_id END AS call_id,
        count(*) AS legs, min(l.leg_id::text) AS leg_id,
        min(l.answered_at) AS answered_at, max(l.ended_at) AS ended_at,
        max(l.talk_seconds) AS talk_seconds
    FROM cdr_legs AS l
    LEFT JOIN told AS t ON t.channel_id = l.channel_id
    WHERE l.answered_at >= :since::timestamptz - interval '5 s'
    GROUP BY 1, 2
), live AS (
    SELECT unnest(ARRAY[a_channel_id, b_channel_id]) AS channel_id
    FROM live_calls
), both_sides AS (
    SELECT
        coalesce(t.channel_id, o.channel_id) AS channel_id, t.linked_id, t.answers, t.hangups,
        o.legs, o.leg_id,
        coalesce(t.answered_at, o.answered_at) AS answered_at,
        coalesce(t.ended_at, o.ended_at) AS ended_at,
        extract(EPOCH FROM t.ended_at - t.answered_at) AS their_seconds,
        o.talk_seconds AS our_seconds
    FROM theirs AS t
    FULL JOIN ours AS o
        ON o.channel_id = t.channel_id
        AND coalesce(o.call_id::text, '') = coalesce(t.call_id::text, '')
), broken AS (
    SELECT
        b.channel_id AS subject, 'legs of CDRs' AS what, '1' AS expected,
        coalesce(b.legs, 0)::text AS found, b.answered_at
    FROM both_sides AS b
    WHERE
        coalesce(b.legs, 0) <> 1
        AND b.answered_at >= :since
        AND coalesce(b.ended_at, b.answered_at)
        < :read_at::timestamptz - make_interval(secs => :grace_seconds)
        AND NOT (
            b.legs IS NULL
            AND EXISTS (SELECT FROM live AS l WHERE l.channel_id IN (b.channel_id, b.linked_id))
        )
    UNION ALL
    SELECT
        b.channel_id AS subject, 'answers in the file, of leg ' || b.leg_id AS what, '1' AS expected,
        coalesce(b.answers, 0)::text AS found, b.answered_at
    FROM both_sides AS b
    WHERE
        b.leg_id IS NOT NULL
        AND coalesce(b.answers, 0) <> 1
        AND b.answered_at >= :since
        AND b.ended_at < :read_at::timestamptz - make_interval(secs => :grace_seconds)
    UNION ALL
    SELECT
        b.channel_id AS subject, 'hang-ups in the file, of leg ' || b.leg_id AS what,
        '1' AS expected, b.hangups::text AS found, b.answered_at
    FROM both_sides AS b
    WHERE b.leg_id IS NOT NULL AND b.hangups > 1
    UNION ALL
    SELECT
        b.channel_id AS subject, 'seconds of talk, of leg ' || b.leg_id AS what,
        round(b.their_seconds, 3)::text AS expected, b.our_seconds::text AS found, b.answered_at
    FROM both_sides AS b
    WHERE abs(b.their_seconds - b.our_seconds) > 1
)
SELECT subject, what, expected, found, count(*) OVER () AS total
FROM broken
ORDER BY answered_at, subject, what
LIMIT :shown;
