-- name: open_limit_account^
-- The control account of a limit with this cap, opened if need be, and its counterpart.
SELECT id, usage_id
FROM callctl_open_limit_v1(:name, :currency, :cap_micros);
