-- name: read_lease^
SELECT holder, epoch, beat
FROM switch_leases
WHERE asterisk = :asterisk;

-- name: take_lease$
-- The new epoch; NULL when the lease is not any more as it was read.
SELECT callctl_take_lease_v2(:asterisk, :holder, :epoch::bigint, :beat::bigint);

-- name: renew_lease$
-- The epoch, if it is still ours.
UPDATE switch_leases
SET beat = beat + 1
WHERE asterisk = :asterisk AND epoch = :epoch
RETURNING epoch;

-- name: release_lease!
UPDATE switch_leases
SET holder = ''
WHERE asterisk = :asterisk AND epoch = :epoch;
