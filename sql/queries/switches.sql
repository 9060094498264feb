-- The switches that people turn by hand.

-- name: write_did_switch$
-- The number, or null when there is none; its row stays until the write is done.
WITH known AS (
    SELECT d.number FROM dids AS d WHERE d.number = :did FOR KEY SHARE
)
INSERT INTO did_switches (did, position, changed_at, changed_by)
SELECT known.number, :position, now(), :changed_by FROM known
ON CONFLICT (did) DO UPDATE SET
    position = excluded.position,
    changed_at = excluded.changed_at,
    changed_by = excluded.changed_by
RETURNING did;

-- name: read_did_switches
SELECT did, position, changed_at, changed_by FROM did_switches;
