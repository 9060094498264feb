-- The directory: tenants, tariffs, lines and DIDs, as callctl apply writes them.

CREATE TABLE revisions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now(),
    summary text NOT NULL
);

CREATE TABLE tariffs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$')
);

-- A changed tariff is a new version; a call keeps the version it started with.
CREATE TABLE tariff_versions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tariff_id bigint NOT NULL REFERENCES tariffs,
    version integer NOT NULL CHECK (version >= 1),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tariff_id, version)
);

CREATE TABLE rates (
    tariff_version_id bigint NOT NULL REFERENCES tariff_versions,
    prefix text NOT NULL CHECK (prefix ~ '^[0-9]{0,15}$'),
    connect_fee_micros bigint NOT NULL CHECK (connect_fee_micros >= 0),
    price_per_minute_micros bigint NOT NULL CHECK (price_per_minute_micros >= 0),
    minimum_seconds integer NOT NULL CHECK (minimum_seconds >= 0),
    first_increment_seconds integer NOT NULL CHECK (first_increment_seconds >= 1),
    next_increment_seconds integer NOT NULL CHECK (next_increment_seconds >= 1),
    round_to_micros bigint NOT NULL CHECK (round_to_micros >= 1),
    PRIMARY KEY (tariff_version_id, prefix)
);

CREATE TABLE tenants (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    language text NOT NULL,
    timezone text NOT NULL,
    account_id bigint NOT NULL UNIQUE REFERENCES accounts,
    warn_seconds integer [] NOT NULL
);

CREATE TABLE lines (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id bigint NOT NULL REFERENCES tenants,
    name text NOT NULL,
    number text NOT NULL,
    trunk text NOT NULL CHECK (trunk ~ '^[a-z0-9_-]{1,40}$'),
    tariff_id bigint REFERENCES tariffs,
    ring_seconds integer NOT NULL CHECK (ring_seconds BETWEEN 1 AND 300),
    areas text [] NOT NULL,
    UNIQUE (tenant_id, name)
);

CREATE TABLE dids (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number text NOT NULL UNIQUE,
    tenant_id bigint NOT NULL REFERENCES tenants,
    tariff_id bigint NOT NULL REFERENCES tariffs,
    ringback text
);

CREATE TABLE did_lines (
    did_id bigint NOT NULL REFERENCES dids ON DELETE CASCADE,
    position integer NOT NULL,
    line_id bigint NOT NULL REFERENCES lines,
    PRIMARY KEY (did_id, position)
);

CREATE TABLE blacklist_entries (
    did_id bigint NOT NULL REFERENCES dids ON DELETE CASCADE,
    number text NOT NULL,
    PRIMARY KEY (did_id, number)
);
