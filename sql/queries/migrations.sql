-- What callctl.db.migrate keeps about the migrations it has applied.

-- name: lock_migrations$
-- One process migrates at a time; the others wait here and then find the work done.
SELECT pg_advisory_lock(hashtext('callctl schema_migrations'))::text;

-- name: unlock_migrations$
SELECT pg_advisory_unlock(hashtext('callctl schema_migrations'));

-- name: create_schema_migrations#
CREATE TABLE IF NOT EXISTS schema_migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: list_schema_migrations
SELECT number, name, sha256
FROM schema_migrations
ORDER BY number;

-- name: record_schema_migration!
INSERT INTO schema_migrations (number, name, sha256)
VALUES (:number, :name, :sha256);
