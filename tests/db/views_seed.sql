-- One tenant with 100.00 opened, one settled call of 0.10, one live call that holds 0.20.
INSERT INTO accounts (name, kind, currency, credit_limit_micros)
VALUES
('tenant:acme', 'prepaid', 'CNY', 5000000),
('revenue:CNY', 'revenue', 'CNY', 0),
('clearing:CNY', 'clearing', 'CNY', 0);

INSERT INTO tenants (name, language, timezone, account_id, warn_seconds, limits)
SELECT 'acme', 'zh', 'Asia/Shanghai', id, '{60, 15}', '{}'
FROM accounts
WHERE name = 'tenant:acme';

INSERT INTO tariffs (name, currency) VALUES ('inbound', 'CNY');

INSERT INTO tariff_versions (tariff_id, version, rate_count) SELECT id, 1, 1 FROM tariffs;

INSERT INTO rates (
    tariff_version_id, prefix, area, connect_fee_micros, price_per_minute_micros, minimum_seconds,
    first_increment_seconds, next_increment_seconds, round_to_micros, free_seconds,
    first_step_seconds, first_step_price_micros, bands
)
SELECT id, '', '', 0, 100000, 0, 60, 60, 100, 0, 0, 0, '[]' FROM tariff_versions;

INSERT INTO lines (tenant_id, name, number, trunk, ring_seconds, areas)
SELECT id, 'beijing', '+861062000001', 'carrier', 15, '{110000}' FROM tenants;

SELECT callctl_ledger_apply_v1(
    ARRAY[q.step], ARRAY[q.id::uuid], ARRAY[q.kind], ARRAY[q.reservation::uuid],
    ARRAY[q.leg::uuid], ARRAY[payer.id], ARRAY[payee.id], ARRAY[q.amount], ARRAY[q.hold],
    ARRAY[q.memo]
)
FROM (
    VALUES
    (
        1, '00000000-0000-0000-0000-000000000001', 'opening', null, null,
        'clearing:CNY', 'tenant:acme', 100000000::bigint, 0::bigint, 'opening balance'
    ),
    (
        2, '00000000-0000-0000-0000-000000000002', 'reserve',
        '00000000-0000-0000-0000-0000000000a1', '00000000-0000-0000-0000-0000000000b1',
        'tenant:acme', 'revenue:CNY', 0, 200000, ''
    ),
    (
        3, '00000000-0000-0000-0000-000000000003', 'settle',
        '00000000-0000-0000-0000-0000000000a1', null,
        'tenant:acme', 'revenue:CNY', 100000, 0, ''
    ),
    (
        4, '00000000-0000-0000-0000-000000000004', 'reserve',
        '00000000-0000-0000-0000-0000000000a2', '00000000-0000-0000-0000-0000000000b2',
        'tenant:acme', 'revenue:CNY', 0, 200000, ''
    )
) AS q (step, id, kind, reservation, leg, payer, payee, amount, hold, memo)
INNER JOIN accounts AS payer ON payer.name = q.payer
INNER JOIN accounts AS payee ON payee.name = q.payee
ORDER BY q.step;

INSERT INTO cdrs
VALUES (
    '00000000-0000-0000-0000-0000000000c1', '4006001234', 'acme', '+8613901710001', '310000',
    '上海', 'beijing', 'answered', 16, 'caller', '2026-10-01 12:00:00+00',
    '2026-10-01 12:00:05+00', '2026-10-01 12:00:35+00', 5.0, 30.0, 100000, 'CNY', 'sip-a', 1,
    '[{"rule": "line beijing", "matched": true, "why": "default line"}]'
), (
    '00000000-0000-0000-0000-0000000000c2', '4006001234', 'acme', '', '', 'unknown', null,
    'rejected', 21, 'callctl', '2026-10-01 13:00:00+00', null, '2026-10-01 13:00:00+00', 0, 0, 0,
    'CNY', 'sip-c', 1, '[{"why": "caller is listed", "rule": "blacklist", "matched": true}]'
);

INSERT INTO cdr_legs (
    leg_id, call_id, side, line, number, channel_id, sip_call_id, disposition, hangup_cause,
    setup_at, answered_at, ended_at, ring_seconds, talk_seconds, billed_seconds, cost_micros
)
VALUES (
    '00000000-0000-0000-0000-0000000000b9', '00000000-0000-0000-0000-0000000000c1', 'b',
    'beijing', '+861062000001', 'l9', 'sip-b', 'answered', 16, '2026-10-01 12:00:01+00',
    '2026-10-01 12:00:05+00', '2026-10-01 12:00:35+00', 4.0, 30.0, 0, 0
), (
    '00000000-0000-0000-0000-0000000000b1', '00000000-0000-0000-0000-0000000000c1', 'a', NULL,
    '+8613901710001', 'l1', 'sip-a', 'answered', 16, '2026-10-01 12:00:00+00',
    '2026-10-01 12:00:05+00', '2026-10-01 12:00:35+00', 5.0, 30.0, 60, 100000
);

UPDATE cdr_legs
SET
    account = 'tenant:acme', tariff = 'inbound', tariff_version = 1,
    rate_id = (SELECT id FROM rates), rate_prefix = '', timezone = 'Asia/Shanghai',
    charged_from = answered_at, charged_ms = 30000,
    reservation_id = '00000000-0000-0000-0000-0000000000a1'
WHERE side = 'a';

INSERT INTO live_calls (
    call_id, did, tenant, account_id, caller, area, stage, setup_at, answered_at, line,
    a_channel_id, b_channel_id, revision_id, charges, counts, reservations
)
SELECT
    '00000000-0000-0000-0000-0000000000c3', '4006001234', 'acme', id, '+861062345678', '北京',
    'talking', '2026-10-01 14:00:00+00', '2026-10-01 14:00:10+00', 'beijing', 'l2', 'l3', 1,
    jsonb_build_array(
        '{
            "leg_id": "00000000-0000-0000-0000-0000000000b2", "role": "tenant",
            "account": "tenant:acme", "reservation_id": "00000000-0000-0000-0000-0000000000a2",
            "tariff": "inbound", "tariff_version": 1, "calendar": null,
            "timezone": "Asia/Shanghai", "quoted_from": "2026-10-01T14:00:00+00:00",
            "charged_from": "2026-10-01T14:00:10+00:00", "paid_seconds": 120, "posted_micros": 0,
            "rate": {
                "prefix": "", "connect_fee_micros": 0, "price_per_minute_micros": 100000,
                "minimum_seconds": 0, "first_increment_seconds": 60, "next_increment_seconds": 60,
                "round_to_micros": 100
            }
        }'::jsonb || jsonb_build_object('account_id', id)
    ),
    '[]', '{00000000-0000-0000-0000-0000000000a2}'
FROM accounts
WHERE name = 'tenant:acme';
