-- name: read_unclaimed_reservations
-- Reservations of this Asterisk's switches that are open though no live call's row has them: who
-- made them is gone. Of those that tell no Asterisk, the ones that are too old to be of a call whose
-- row is on its way.
SELECT r.id, r.account_id, r.payee_account_id, r.leg_id
FROM reservations AS r
WHERE
    r.state = 'open'
    AND (
        r.asterisk IS NOT DISTINCT FROM :asterisk
        OR (
            r.asterisk IS NULL
            AND r.opened_at < clock_timestamp() - make_interval(secs => :row_seconds_max)
        )
    )
    AND NOT EXISTS (SELECT 1 FROM live_calls AS l WHERE r.id = ANY (l.reservations));

-- name: open_limit_account^
-- The control account of a limit with this cap, opened if need be, and its counterpart.
SELECT id, usage_id
FROM callctl_open_limit_v1(:name, :currency, :cap_micros);
