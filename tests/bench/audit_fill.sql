-- Consistent books of many calls, written set by set. :calls calls of :accounts tenants; each call
-- has three transfers (held, renewed, settled), one charged leg and one free one. Every tenth is at
-- a rate with bands, every hundredth was refunded; refunds (n, id) is filled before.

-- name: empty_keys
ALTER TABLE cdr_legs DROP CONSTRAINT cdr_legs_pkey CASCADE;
ALTER TABLE cdr_legs DROP CONSTRAINT cdr_legs_call_id_fkey;
ALTER TABLE cdrs DROP CONSTRAINT cdrs_pkey;
ALTER TABLE transfers DROP CONSTRAINT transfers_pkey;
ALTER TABLE reservations DROP CONSTRAINT reservations_pkey;
DROP INDEX transfers_from, transfers_to, reservations_open, cdr_legs_by_call, cdrs_by_time,
cdrs_by_tenant;

-- name: accounts
INSERT INTO accounts (name, kind, currency)
SELECT 'tenant:bench' || n, 'prepaid', 'CNY'
FROM generate_series(1, :accounts) AS n
UNION ALL
VALUES ('revenue:CNY', 'revenue', 'CNY'), ('clearing:CNY', 'clearing', 'CNY');

INSERT INTO tariffs (name, currency) VALUES ('flat', 'CNY'), ('hours', 'CNY');
INSERT INTO tariff_versions (tariff_id, version, rate_count) SELECT id, 1, 1 FROM tariffs;
INSERT INTO rates (
    tariff_version_id, prefix, area, connect_fee_micros, price_per_minute_micros, minimum_seconds,
    first_increment_seconds, next_increment_seconds, round_to_micros, free_seconds,
    first_step_seconds, first_step_price_micros, bands
)
SELECT
    v.id, '', '', 0, 300000, 0, s.increment, s.increment, 100, 0, 0, 0, s.bands::jsonb
FROM tariff_versions AS v
INNER JOIN tariffs AS t ON t.id = v.tariff_id
INNER JOIN (
    VALUES
    ('flat', 60, '[]'),
    ('hours', 6, '[{
        "name": "evening", "days": [], "from_minute": 1200, "to_minute": 480,
        "price_per_minute_micros": 300000
    }]')
) AS s (name, increment, bands) ON s.name = t.name;

-- name: calls
CREATE UNLOGGED TABLE calls AS
SELECT
    n,
    a.id AS account_id,
    md5('call' || n)::uuid AS call_id,
    md5('leg' || n)::uuid AS leg_id,
    md5('reservation' || n)::uuid AS reservation_id,
    s.seconds,
    n % 10 = 0 AS has_bands,
    CASE
        WHEN n % 10 = 0 THEN (s.seconds + 5) / 6 * 30000 ELSE (s.seconds + 59) / 60 * 300000
    END::bigint AS cost_micros,
    CASE WHEN n % 100 = 0 THEN 30000 ELSE 0 END::bigint AS refund_micros,
    '2026-01-01 00:00:00+00'::timestamptz + n * interval '100 ms' AS answered_at
FROM generate_series(1, :calls) AS n
CROSS JOIN LATERAL (SELECT (1 + n * 7919::bigint % 600)::integer AS seconds) AS s
INNER JOIN (
    SELECT id, row_number() OVER (ORDER BY id) AS nth
    FROM accounts
    WHERE kind = 'prepaid'
) AS a ON a.nth = 1 + n % :accounts;

-- name: transfers
INSERT INTO transfers (
    id, position, kind, from_account_id, to_account_id, amount_micros, reservation_id,
    hold_wanted_micros, expires_seconds, hold_change_micros, open_change, from_balance_micros,
    to_balance_micros, memo, created_at
) OVERRIDING SYSTEM VALUE
WITH ends AS (
    SELECT
        max(id) FILTER (WHERE kind = 'revenue') AS revenue_id,
        max(id) FILTER (WHERE kind = 'clearing') AS clearing_id
    FROM accounts
), steps AS (
    SELECT
        s.*, row_number() OVER (ORDER BY s.place, s.n) AS position
    FROM (
        SELECT
            0 AS n, 0::bigint AS place, 'opening' AS kind, a.id AS account_id,
            1000000000000 AS amount, NULL::uuid AS reservation_id, 0::bigint AS hold,
            0::bigint AS change, 0 AS opened
        FROM accounts AS a
        WHERE a.kind = 'prepaid'
        UNION ALL
        SELECT
            c.n, c.n * 10::bigint, 'reserve', c.account_id, 0, c.reservation_id,
            c.cost_micros + 90000, c.cost_micros + 90000, 1
        FROM calls AS c
        UNION ALL
        SELECT
            c.n, (c.n + 1000) * 10::bigint + 1, 'renew', c.account_id,
            c.cost_micros / 2 + c.refund_micros, c.reservation_id,
            c.cost_micros - c.cost_micros / 2, -90000 - c.cost_micros / 2, 0
        FROM calls AS c
        UNION ALL
        SELECT
            c.n, (c.n + 2000) * 10::bigint + 2, 'settle', c.account_id,
            c.cost_micros - c.cost_micros / 2, c.reservation_id, 0,
            -(c.cost_micros - c.cost_micros / 2), -1
        FROM calls AS c
        UNION ALL
        SELECT
            c.n, (c.n + 2000) * 10::bigint + 3, 'refund', c.account_id, c.refund_micros, NULL, 0,
            0, 0
        FROM calls AS c
        WHERE c.refund_micros > 0
    ) AS s
), signed AS (
    SELECT
        s.*,
        CASE WHEN s.kind IN ('opening', 'refund') THEN s.amount ELSE -s.amount END AS to_tenant
    FROM steps AS s
), balances AS (
    SELECT
        s.*,
        sum(s.to_tenant) OVER (
            PARTITION BY s.account_id ORDER BY s.position
        )::bigint AS tenant_balance,
        -sum(s.to_tenant) OVER (
            PARTITION BY s.kind = 'opening' ORDER BY s.position
        )::bigint AS other_balance
    FROM signed AS s
)
SELECT
    coalesce(r.id, gen_random_uuid()), b.position, b.kind,
    CASE b.kind
        WHEN 'opening' THEN e.clearing_id WHEN 'refund' THEN e.revenue_id ELSE b.account_id
    END,
    CASE
        WHEN b.kind IN ('opening', 'refund') THEN b.account_id ELSE e.revenue_id
    END,
    b.amount, b.reservation_id, b.hold, 0, b.change, b.opened,
    CASE WHEN b.kind IN ('opening', 'refund') THEN b.other_balance ELSE b.tenant_balance END,
    CASE WHEN b.kind IN ('opening', 'refund') THEN b.tenant_balance ELSE b.other_balance END,
    '', '2026-01-01 00:00:00+00'::timestamptz + b.position * interval '30 ms'
FROM balances AS b
CROSS JOIN ends AS e
LEFT JOIN refunds AS r ON b.kind = 'refund' AND r.n = b.n
ORDER BY b.position;

-- name: reservations
INSERT INTO reservations (
    id, account_id, payee_account_id, leg_id, held_micros, posted_micros, opened_at, closed_at,
    state
)
SELECT
    c.reservation_id, c.account_id, (SELECT id FROM accounts WHERE kind = 'revenue'), c.leg_id, 0,
    c.cost_micros + c.refund_micros, c.answered_at, c.answered_at, 'settled'
FROM calls AS c;

UPDATE accounts AS a
SET balance_micros = s.micros
FROM (
    SELECT account_id, sum(amount_micros) AS micros FROM entries GROUP BY account_id
) AS s
WHERE s.account_id = a.id;

-- name: cdrs
INSERT INTO cdrs
SELECT
    c.call_id, '4006001234', 'bench' || c.n % :accounts, '+8613800138000', '110000', '北京', 'beijing',
    'answered', 16, 'caller', c.answered_at, c.answered_at,
    c.answered_at + c.seconds * interval '1 s', 1.0, c.seconds, c.cost_micros, 'CNY',
    'call-' || c.n, 1, '[]'
FROM calls AS c;

INSERT INTO cdr_legs (
    leg_id, call_id, side, line, number, channel_id, sip_call_id, disposition, hangup_cause,
    setup_at, answered_at, ended_at, ring_seconds, talk_seconds, billed_seconds, cost_micros,
    account, tariff, tariff_version, rate_id, rate_prefix, timezone, charged_from, charged_ms,
    reservation_id
)
SELECT
    c.leg_id, c.call_id, 'a', NULL, '+8613800138000', c.n || '.0', 'call-' || c.n, 'answered', 16,
    c.answered_at, c.answered_at, c.answered_at + c.seconds * interval '1 s', 1.0, c.seconds,
    CASE WHEN c.has_bands THEN (c.seconds + 5) / 6 * 6 ELSE (c.seconds + 59) / 60 * 60 END,
    c.cost_micros, a.name, t.name, 1, r.id, '', 'Asia/Shanghai', c.answered_at,
    c.seconds * 1000 - c.n % 1000, c.reservation_id
FROM calls AS c
INNER JOIN accounts AS a ON a.id = c.account_id
INNER JOIN tariffs AS t ON t.name = CASE WHEN c.has_bands THEN 'hours' ELSE 'flat' END
INNER JOIN tariff_versions AS v ON v.tariff_id = t.id
INNER JOIN rates AS r ON r.tariff_version_id = v.id
UNION ALL
SELECT
    md5('line' || c.n)::uuid, c.call_id, 'b', 'beijing', '+861062000001', 'l' || md5('line' || c.n),
    'line-' || c.n, 'answered', 16, c.answered_at, c.answered_at,
    c.answered_at + c.seconds * interval '1 s', 1.0, c.seconds, 0, 0, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, 0, NULL
FROM calls AS c;

-- name: keys
DROP TABLE calls, refunds;
ALTER TABLE transfers ADD PRIMARY KEY (id);
ALTER TABLE reservations ADD PRIMARY KEY (id);
ALTER TABLE cdrs ADD PRIMARY KEY (call_id);
ALTER TABLE cdr_legs ADD PRIMARY KEY (leg_id);
CREATE INDEX transfers_from ON transfers (from_account_id, position);
CREATE INDEX transfers_to ON transfers (to_account_id, position) WHERE amount_micros > 0;

-- name: statistics
VACUUM ANALYZE;
