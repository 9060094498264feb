-- Tenants' own audio, as it is played: 8 kHz, 16 bit, mono WAV. The tenant is named, not
-- referenced: audio is uploaded before callctl apply may name it, and so before its tenant exists.

CREATE TABLE audio_files (
    tenant text NOT NULL CHECK (tenant ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    wav bytea NOT NULL CHECK (octet_length(wav) BETWEEN 44 AND 10000000),
    seconds double precision NOT NULL CHECK (seconds > 0),
    loudness_db double precision NOT NULL, -- while something is heard, below full scale
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    original_name text NOT NULL CHECK (length(original_name) <= 100), -- for display only
    uploaded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, name)
);

-- Compressing speech gains little and costs time at each upload.
ALTER TABLE audio_files ALTER COLUMN wav SET STORAGE EXTERNAL;
