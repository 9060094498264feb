-- Mobile segments that callctl areas import added to, or corrected in, the table that comes with
-- callctl.

CREATE TABLE area_segments (
    segment text PRIMARY KEY CHECK (segment ~ '^1[3-9][0-9]{5}$'),
    adcode text NOT NULL CHECK (adcode ~ '^[0-9]{6}$'),
    imported_at timestamptz NOT NULL DEFAULT now()
);
