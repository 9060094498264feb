-- name: read_missed_calls
-- Calls to a number that no line talked with, newest first; a null condition matches all.
-- `reason` is a word of callctl.views.unanswered.MissedReason. A callback that was asked for since,
-- or by this call, is the call's, as it is for callctl callback.
SELECT
    m.call_id, m.did, m.tenant, m.caller, m.area, m.setup_at, m.waited_seconds, m.stage,
    m.group_name, m.ended_by, m.reason, v.id AS voicemail_id, v.seconds AS voicemail_seconds,
    b.id AS callback_id, b.state AS callback
FROM (
    SELECT
        c.*,
        extract(EPOCH FROM c.ended_at - c.setup_at) AS waited_seconds,
        CASE
            WHEN
                c.ended_by = 'closed'
                OR c.trace @> '[{"rule": "schedule", "matched": false}]'
                OR c.trace @> '[{"rule": "switch", "why": "the number is switched closed by hand"}]'
                THEN 'closed'
            WHEN
                c.ended_by IN (
                    'blacklisted', 'not_allowed', 'area_blocked', 'caller_rate', 'refused'
                )
                THEN 'blocked'
            WHEN c.ended_by IN ('no_credit', 'no_reseller_credit', 'money', 'reseller_money')
                THEN 'no_money'
            WHEN c.ended_by LIKE 'limit\_%' THEN 'limit'
            WHEN c.ended_by IN ('no_line', 'overflowed', 'line') THEN 'no_answer'
            WHEN c.ended_by IN ('no_key', 'wrong_key') THEN 'no_key'
            WHEN c.ended_by IN ('message', 'no_callback') THEN 'message'
            WHEN c.ended_by <> 'caller' THEN 'fault'
            WHEN c.stage NOT IN ('voicemail', 'callback', 'message') THEN 'abandoned'
            WHEN c.trace @? '$[*] ? (@.rule like_regex "^(queue of group |group .+ otherwise$)")'
                THEN 'no_answer'
            WHEN c.stage = 'message' OR c.stage IS NULL THEN 'abandoned'
            ELSE c.stage
        END AS reason
    FROM cdrs AS c
    WHERE
        c.answered_at IS NULL
        AND c.ended_by <> 'unknown_number'
        AND coalesce(c.direction, 'inbound') = 'inbound'
        AND (:dids::text [] IS NULL OR c.did = ANY (:dids))
        AND (:callers::text [] IS NULL OR c.caller = ANY (:callers))
        AND (:tenant::text IS NULL OR c.tenant = :tenant)
        AND (:since::timestamptz IS NULL OR c.setup_at >= :since)
) AS m
LEFT JOIN voicemails AS v ON v.call_id = m.call_id AND v.seconds IS NOT NULL
LEFT JOIN LATERAL (
    SELECT k.id, k.state
    FROM callbacks AS k
    WHERE
        k.did = m.did
        AND k.caller = m.caller
        AND (
            k.call_id = m.call_id
            OR (
                k.requested_at >= m.setup_at
                AND k.state IN ('waiting', 'claimed', 'calling', 'done')
            )
        )
    ORDER BY k.state = 'done' DESC, k.requested_at DESC
    LIMIT 1
) AS b ON TRUE
WHERE (:reason::text IS NULL OR m.reason = :reason)
ORDER BY m.setup_at DESC, m.call_id
LIMIT :limit;
