-- name: write_journal!
SELECT callctl_journal_v1(:live::jsonb, :ended::jsonb);

-- name: read_abandoned_calls
-- Live calls that an earlier run of the switch left behind.
SELECT
    call_id, did, tenant, account_id, caller, area, stage, setup_at, answered_at, line,
    a_channel_id, b_channel_id, revision_id, charges, counts
FROM live_calls;
