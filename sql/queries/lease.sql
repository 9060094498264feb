-- name: read_lease^
SELECT holder, epoch, until <= clock_timestamp() AS is_free
FROM switch_leases
WHERE asterisk = :asterisk;

-- name: take_lease$
SELECT callctl_take_lease_v1(:asterisk, :holder, :seconds, :dead);

-- name: renew_lease$
-- The epoch, if it is still ours: also an expired lease that nobody has taken.
UPDATE switch_leases
SET until = clock_timestamp() + make_interval(secs => :seconds)
WHERE asterisk = :asterisk AND epoch = :epoch
RETURNING epoch;

-- name: release_lease!
UPDATE switch_leases
SET until = clock_timestamp()
WHERE asterisk = :asterisk AND epoch = :epoch;
