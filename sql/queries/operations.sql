-- name: ask_switch$
-- The epoch of the switch that is asked; NULL when no switch owns the Asterisk. Old commands go.
WITH old AS (
    DELETE FROM switch_commands WHERE asked_at < clock_timestamp() - interval '30 days'
),

asked AS (
    INSERT INTO switch_commands (id, asterisk, epoch, command, call_id, within_seconds)
    SELECT
        :id, asterisk, epoch, :command, :call_id::uuid, :within_seconds::double precision
    FROM switch_leases
    WHERE asterisk = :asterisk AND holder <> ''
    RETURNING asterisk, epoch
)

SELECT epoch FROM asked, pg_notify('callctl_commands', asterisk);

-- name: take_command^
-- The oldest command that this owner has not taken.
UPDATE switch_commands
SET taken_at = clock_timestamp()
WHERE
    id = (
        SELECT id
        FROM switch_commands
        WHERE asterisk = :asterisk AND epoch = :epoch AND taken_at IS NULL
        ORDER BY asked_at
        LIMIT 1
    )
RETURNING id, command, call_id, within_seconds;

-- name: note_command!
UPDATE switch_commands
SET calls_left = :calls_left::integer, outcome = :outcome::text
WHERE id = :id;

-- name: read_command^
SELECT
    c.taken_at, c.calls_left, c.outcome, coalesce(l.beat, 0) AS beat,
    coalesce(l.epoch = c.epoch AND l.holder <> '', FALSE) AS is_owner
FROM switch_commands AS c
LEFT JOIN switch_leases AS l USING (asterisk)
WHERE c.id = :id;

-- name: find_asterisk_of_call^
SELECT asterisk FROM live_calls WHERE call_id = :call_id;

-- name: write_audit_results!
INSERT INTO audit_results (proof, at, findings)
SELECT p.proof, :at, p.findings
FROM unnest(:proofs::text [], :findings::bigint []) AS p (proof, findings)
ON CONFLICT (proof) DO UPDATE SET at = excluded.at, findings = excluded.findings;

-- name: read_audit_results
SELECT proof, at, findings FROM audit_results ORDER BY proof LIMIT 100;

-- name: count_for_metrics^
SELECT
    (SELECT count(*) FROM reservations WHERE state = 'open') AS open_reservations,
    (SELECT count(*) FROM mails WHERE sent_at IS NULL AND given_up_at IS NULL) AS mails_waiting;
