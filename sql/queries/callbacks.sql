-- name: find_ended_call^
-- What a callback needs to know of a call that has ended.
SELECT call_id, did, tenant, caller, disposition, direction, group_name, setup_at
FROM cdrs
WHERE call_id = :call_id;

-- name: request_callback^
-- The new request; no row when the caller waits for a callback of the number already.
INSERT INTO callbacks (
    id, call_id, tenant, did, caller, group_name, line, is_promised, keeps_place, requested_by,
    expires_at
)
VALUES (
    :id, :call_id, :tenant, :did, :caller, :group_name, :line, :is_promised, :keeps_place,
    :requested_by, now() + make_interval(secs => :expires_seconds::float8)
)
ON CONFLICT (did, caller) WHERE state IN ('waiting', 'claimed', 'calling') DO NOTHING
RETURNING *;

-- name: find_covering_callback^
-- The callback that answers a call missed at `missed_at`: one that is open, or was done since.
SELECT *
FROM callbacks
WHERE
    did = :did
    AND caller = :caller
    AND (
        state IN ('waiting', 'claimed', 'calling')
        OR (state = 'done' AND requested_at >= :missed_at)
    )
ORDER BY requested_at DESC
LIMIT 1;

-- name: read_callback^
-- One callback, with the line that its call rings at this moment.
SELECT b.*, l.line AS live_line
FROM callbacks AS b
LEFT JOIN live_calls AS l ON l.call_id = b.callback_call_id
WHERE b.id = :id;

-- name: expire_callbacks!
UPDATE callbacks SET state = 'expired', reason = 'nobody called back in time'
WHERE state = 'waiting' AND expires_at <= now();

-- name: find_places_kept
-- Callbacks that wait for their turn in a queue, the longest waiting first.
SELECT *
FROM callbacks
WHERE state = 'waiting' AND keeps_place AND not_before <= now() AND expires_at > now()
ORDER BY requested_at, id
LIMIT :limit;

-- name: claim_callback^
-- The callback whose turn it is, or the one that is named; from now on `switch` has it. One that
-- keeps a place in a queue is only claimed by its name, unless its place is lost.
UPDATE callbacks SET
    state = 'claimed',
    switch = :switch,
    lease_until = now() + make_interval(secs => :lease_seconds::float8),
    attempts = attempts + 1,
    callback_call_id = NULL
WHERE id = (
    SELECT c.id
    FROM callbacks AS c
    WHERE
        c.state = 'waiting'
        AND CASE
            WHEN :id::uuid IS NULL THEN
                NOT c.keeps_place
                OR (
                    c.requested_at < now() - make_interval(secs => :lease_seconds::float8)
                    AND NOT EXISTS (SELECT 1 FROM queue_places AS p WHERE p.call_id = c.call_id)
                )
            ELSE c.id = :id
        END
        AND c.not_before <= now()
        AND c.expires_at > now()
    ORDER BY c.not_before, c.requested_at, c.id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING *;

-- name: find_later_call^
-- Whether the caller has called the number himself since he asked: was answered, or is in a call.
SELECT
    EXISTS (
        SELECT 1
        FROM cdrs AS c
        WHERE
            c.did = :did
            AND c.caller = :caller
            AND c.answered_at >= :since
            AND coalesce(c.direction, 'inbound') = 'inbound'
    )
    OR coalesce(bool_or(l.answered_at IS NOT NULL), false) AS is_answered,
    count(l.call_id) > 0 AS is_calling
FROM live_calls AS l
WHERE l.did = :did AND l.caller = :caller AND coalesce(l.direction, 'inbound') = 'inbound';

-- name: begin_callback^
-- The claimed callback becomes a call; no row when the claim has lapsed.
UPDATE callbacks SET state = 'calling', callback_call_id = :callback_call_id
WHERE id = :id AND switch = :switch AND state = 'claimed'
RETURNING *;

-- name: note_callback^
-- Adds to the history; no row when it is not this switch's any more.
UPDATE callbacks SET
    history = history || jsonb_build_array(jsonb_build_object('at', now(), 'what', :what::text)),
    is_caller_rung = is_caller_rung OR :is_caller_rung
WHERE
    id = :id
    AND switch = :switch
    AND callback_call_id = :callback_call_id
    AND state = 'calling'
    AND lease_until > now()
RETURNING id;

-- name: renew_callbacks!
UPDATE callbacks SET lease_until = now() + make_interval(secs => :lease_seconds::float8)
WHERE id = ANY (:ids::uuid []) AND switch = :switch AND state IN ('claimed', 'calling');

-- name: give_callback_back!
-- The claim is given back, and does not count: nobody was rung. A place in a queue is given up.
UPDATE callbacks SET
    state = 'waiting',
    switch = NULL,
    lease_until = NULL,
    attempts = attempts - 1,
    keeps_place = false,
    not_before = now() + make_interval(secs => :wait_seconds::float8)
WHERE id = :id AND switch = :switch AND state = 'claimed';

-- name: end_callback!
-- A claimed callback needs no call: it is done, or can't be made.
UPDATE callbacks SET state = :state, reason = :reason, lease_until = NULL
WHERE id = :id AND switch = :switch AND state = 'claimed';

-- name: settle_callbacks
-- Ends the callbacks whose calls have ended, as their CDRs say: of one callback, or (null) of all
-- whose switch has let its claim lapse. One whose caller was not rung is tried again if that was
-- promised to him, or if the switch ended; the row of a call that lives, or that a later run of
-- the switch will end, is left alone while there is time. Who keeps the first place in a queue is
-- tried again soon, as others wait behind him.
UPDATE callbacks AS b SET
    state = s.state,
    reason = CASE s.state WHEN 'done' THEN '' ELSE s.reason END,
    switch = CASE s.state WHEN 'waiting' THEN NULL ELSE b.switch END,
    lease_until = NULL,
    not_before = now()
    + make_interval(secs => CASE WHEN b.keeps_place THEN 1 ELSE :retry_seconds::float8 END)
FROM (
    SELECT
        o.id,
        coalesce(c.ended_by, 'interrupted') AS reason,
        CASE
            WHEN c.disposition = 'answered' THEN 'done'
            WHEN o.is_caller_rung OR o.expires_at <= now() THEN 'failed'
            WHEN o.attempts >= :attempts_max THEN 'failed'
            WHEN
                o.is_promised
                OR coalesce(c.ended_by, 'shutdown') IN ('shutdown', 'recovery', 'overloaded')
                THEN 'waiting'
            ELSE 'failed'
        END AS state
    FROM callbacks AS o
    LEFT JOIN cdrs AS c ON c.call_id = o.callback_call_id
    WHERE
        o.state IN ('claimed', 'calling')
        AND CASE
            WHEN :id::uuid IS NULL THEN o.lease_until <= now() ELSE o.id = :id
        END
        AND (
            o.expires_at <= now()
            OR NOT EXISTS (SELECT 1 FROM live_calls AS l WHERE l.call_id = o.callback_call_id)
        )
    FOR UPDATE OF o SKIP LOCKED
) AS s
WHERE b.id = s.id
RETURNING b.*;
