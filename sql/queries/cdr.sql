-- name: write_journal!
SELECT callctl_journal_v3(:asterisk, :epoch::bigint, :live::jsonb, :ended::jsonb);

-- name: read_abandoned_calls
-- Live calls that an earlier run of the switch of this Asterisk left behind.
SELECT
    call_id, did, tenant, account_id, caller, area, stage, setup_at, answered_at, line,
    a_channel_id, b_channel_id, revision_id, charges, counts, direction, group_name, begun_at,
    memory
FROM live_calls
WHERE asterisk IS NOT DISTINCT FROM :asterisk OR asterisk IS NULL;
