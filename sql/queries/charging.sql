-- name: read_unclaimed_reservations
-- Reservations that are open though no live call's row has them. While other switches work, only
-- those that are too old to be of a call of theirs whose row is on its way.
SELECT r.id, r.account_id, r.payee_account_id, r.leg_id
FROM reservations AS r
WHERE
    r.state = 'open'
    AND (
        r.opened_at < clock_timestamp() - make_interval(secs => :row_seconds_max)
        OR NOT EXISTS (
            SELECT FROM switch_leases AS s
            WHERE s.asterisk IS DISTINCT FROM :asterisk AND s.until > clock_timestamp()
        )
    )
    AND NOT EXISTS (SELECT 1 FROM live_calls AS l WHERE r.id = ANY (l.reservations));

-- name: open_limit_account^
-- The control account of a limit with this cap, opened if need be, and its counterpart.
SELECT id, usage_id
FROM callctl_open_limit_v1(:name, :currency, :cap_micros);
