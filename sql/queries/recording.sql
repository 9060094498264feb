-- name: begin_recording!
-- The same talk again changes nothing.
INSERT INTO recordings (
    call_id, leg_id, tenant, did, line, folder, file_name, started_at, delete_after
)
VALUES (
    :call_id, :leg_id, :tenant, :did, :line, :folder, :file_name, :started_at, :delete_after
)
ON CONFLICT (call_id) DO NOTHING;

-- name: find_recording_file$
-- The file of a recording that is kept.
SELECT file_name FROM recordings WHERE call_id = :call_id AND deleted_at IS NULL;

-- name: read_due_files
-- Files of this folder whose days are over, the longest overdue first.
SELECT file_name
FROM (
    SELECT file_name, delete_after
    FROM recordings
    WHERE deleted_at IS NULL AND delete_after <= :now AND folder = :folder
    UNION ALL
    SELECT file_name, delete_after
    FROM voicemails
    WHERE deleted_at IS NULL AND delete_after <= :now AND folder = :folder
) AS due
ORDER BY delete_after
LIMIT :limit;

-- name: note_files_deleted!
WITH talks AS (
    UPDATE recordings SET deleted_at = :now
    WHERE file_name = ANY (:file_names::text []) AND deleted_at IS NULL
)

UPDATE voicemails SET deleted_at = :now
WHERE file_name = ANY (:file_names::text []) AND deleted_at IS NULL;

-- name: note_file_access!
INSERT INTO file_accesses (file_name, act, who, at) VALUES (:file_name, :act, :who, :now);

-- name: read_recordings
-- The latest recorded talks that match, newest first; a null condition matches all. How long one
-- is stands in its call's CDR, once the call has ended.
SELECT
    r.call_id, r.tenant, r.did, c.caller, c.area, r.line, r.started_at, c.talk_seconds AS seconds,
    r.delete_after, r.deleted_at, r.file_name
FROM recordings AS r
LEFT JOIN cdrs AS c ON c.call_id = r.call_id
WHERE
    (:dids::text [] IS NULL OR r.did = ANY (:dids))
    AND (:callers::text [] IS NULL OR c.caller = ANY (:callers))
    AND (:tenant::text IS NULL OR r.tenant = :tenant)
    AND (:since::timestamptz IS NULL OR r.started_at >= :since)
ORDER BY r.started_at DESC, r.call_id
LIMIT :limit;

-- name: read_file_accesses
-- Who took these files out or deleted them, the first of them first.
SELECT file_name, act, who, at
FROM file_accesses
WHERE file_name = ANY (:file_names::text [])
ORDER BY id;
