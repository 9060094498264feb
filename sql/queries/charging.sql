-- name: read_unclaimed_reservations
-- Reservations that are open though no live call's row has them.
SELECT r.id, r.account_id, r.payee_account_id, r.leg_id
FROM reservations AS r
WHERE
    r.state = 'open'
    AND NOT EXISTS (SELECT 1 FROM live_calls AS l WHERE r.id = ANY (l.reservations));

-- name: open_limit_account^
-- The control account of a limit with this cap, opened if need be, and its counterpart.
SELECT id, usage_id
FROM callctl_open_limit_v1(:name, :currency, :cap_micros);
