-- name: begin_voicemail!
-- The same voicemail again changes nothing.
INSERT INTO voicemails (
    id, call_id, tenant, did, box, caller, area, language, timezone, email, folder, file_name,
    recorded_at, seconds_max, delete_after
)
VALUES (
    :id, :call_id, :tenant, :did, :box, :caller, :area, :language, :timezone, :email, :folder,
    :file_name, :recorded_at, :seconds_max, :delete_after
)
ON CONFLICT (id) DO NOTHING;

-- name: keep_voicemail$
-- What was said stays, and goes into the outbox if its box has an address. Only the first end of
-- a voicemail counts.
WITH kept AS (
    UPDATE voicemails
    SET seconds = :seconds::double precision
    WHERE id = :id AND seconds IS NULL
    RETURNING id, email
),

posted AS (
    INSERT INTO mails (id, voicemail_id, recipient, created_at, next_try_at)
    SELECT :mail_id, id, email, :now, :now
    FROM kept
    WHERE email IS NOT NULL
    RETURNING id
)

SELECT pg_notify('callctl_mails', '') FROM posted;

-- name: forget_voicemail!
-- Nothing was said.
DELETE FROM voicemails WHERE id = :id AND seconds IS NULL;

-- name: read_lost_voicemails
-- Those whose end nobody noted: the switch ended while the caller spoke.
SELECT id, file_name
FROM voicemails
WHERE
    seconds IS NULL
    AND folder = :folder
    AND recorded_at + make_interval(secs => seconds_max + :grace_seconds::integer) < :now
ORDER BY recorded_at
LIMIT :limit;

-- name: find_voicemail_file$
-- The file of a voicemail that is kept.
SELECT file_name
FROM voicemails
WHERE id = :id AND seconds IS NOT NULL AND deleted_at IS NULL;

-- name: note_voicemail_heard!
UPDATE voicemails SET heard_at = coalesce(heard_at, :now) WHERE file_name = :file_name;

-- name: claim_mail^
-- The mail that is due longest, for whoever asks first; nobody else gets it before it is due again.
UPDATE mails AS m
SET attempts = m.attempts + 1, next_try_at = :claimed_until
FROM voicemails AS v
WHERE
    v.id = m.voicemail_id
    AND m.id = (
        SELECT due.id
        FROM mails AS due
        INNER JOIN voicemails AS said ON said.id = due.voicemail_id
        WHERE
            due.sent_at IS NULL
            AND due.given_up_at IS NULL
            AND due.next_try_at <= :now
            AND said.folder = :folder
        ORDER BY due.next_try_at
        LIMIT 1
        FOR UPDATE OF due SKIP LOCKED
    )
RETURNING
    m.id, m.recipient, m.attempts, m.created_at, v.did, v.box, v.caller, v.area, v.language,
    v.timezone, v.file_name, v.recorded_at, v.seconds;

-- name: note_mail_sent!
UPDATE mails SET sent_at = :now, last_error = '' WHERE id = :id;

-- name: note_mail_failed!
-- Without another try it is given up.
UPDATE mails
SET
    last_error = :error,
    next_try_at = coalesce(:next_try_at, next_try_at),
    given_up_at = CASE WHEN :next_try_at::timestamptz IS NULL THEN :now::timestamptz END
WHERE id = :id AND sent_at IS NULL;

-- name: read_voicemails
-- The latest voicemails that match, newest first; a null condition matches all.
SELECT
    v.id, v.call_id, v.tenant, v.did, v.box, v.caller, v.area, v.recorded_at, v.seconds, v.email,
    m.sent_at AS emailed_at, m.last_error AS email_error, v.heard_at, v.delete_after, v.deleted_at,
    v.file_name
FROM voicemails AS v
LEFT JOIN mails AS m ON m.voicemail_id = v.id
WHERE
    v.seconds IS NOT NULL
    AND (:dids::text [] IS NULL OR v.did = ANY (:dids))
    AND (:callers::text [] IS NULL OR v.caller = ANY (:callers))
    AND (:tenant::text IS NULL OR v.tenant = :tenant)
    AND (:since::timestamptz IS NULL OR v.recorded_at >= :since)
ORDER BY v.recorded_at DESC, v.id
LIMIT :limit;
