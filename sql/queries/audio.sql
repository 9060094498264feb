-- Tenants' own audio: written by the CLI and the API, read by each switch into its sounds folder.

-- name: lock_audio$
-- One change at a time, so that the number of a tenant's files holds; to the transaction's end.
SELECT pg_advisory_xact_lock(hashtext('callctl audio ' || :tenant))::text;

-- name: count_audio$
-- The tenant's files but the named one.
SELECT count(*)
FROM audio_files
WHERE tenant = :tenant AND name <> :name;

-- name: write_audio<!
INSERT INTO audio_files (tenant, name, wav, seconds, loudness_db, sha256, original_name)
VALUES (:tenant, :name, :wav, :seconds, :loudness_db, :sha256, :original_name)
ON CONFLICT (tenant, name) DO UPDATE SET
wav = excluded.wav,
seconds = excluded.seconds,
loudness_db = excluded.loudness_db,
sha256 = excluded.sha256,
original_name = excluded.original_name,
uploaded_at = now()
RETURNING uploaded_at;

-- name: remove_audio!
DELETE FROM audio_files
WHERE tenant = :tenant AND name = :name;

-- name: list_audio
-- Without the sound itself; of one tenant or, when NULL, of all.
SELECT
    tenant,
    name,
    seconds,
    loudness_db,
    sha256,
    original_name,
    uploaded_at
FROM audio_files
WHERE :tenant::text IS NULL OR tenant = :tenant
ORDER BY tenant, name;

-- name: read_audio^
SELECT wav, sha256
FROM audio_files
WHERE tenant = :tenant AND name = :name;
