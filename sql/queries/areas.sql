-- Segments that callctl areas import added.

-- name: lock_area_segments$
-- One import at a time; held to the end of the transaction.
SELECT pg_advisory_xact_lock(hashtext('callctl areas'))::text;

-- name: read_area_segments
SELECT segment, adcode, imported_at FROM area_segments ORDER BY segment;

-- name: write_area_segments!
INSERT INTO area_segments (segment, adcode)
SELECT n.segment, n.adcode
FROM unnest(:segments::text [], :adcodes::text []) AS n (segment, adcode)
ON CONFLICT (segment) DO UPDATE SET
    adcode = excluded.adcode,
    imported_at = excluded.imported_at;

-- name: announce_area_segments$
-- The listeners hear of it when the transaction commits.
SELECT pg_notify('callctl_areas', '')::text;
