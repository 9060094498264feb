-- The directory: calendars, tariffs, resellers, tenants, lines and DIDs, as callctl apply writes
-- them. Limits are an object of the limits that are set (callctl.directory.models.Limits).

CREATE TABLE revisions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now(),
    summary text NOT NULL
);

CREATE TABLE calendars (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE
);

CREATE TABLE calendar_days (
    calendar_id bigint NOT NULL REFERENCES calendars,
    date date NOT NULL,
    kind text NOT NULL CHECK (kind IN ('holiday', 'workday')),
    name text NOT NULL,
    PRIMARY KEY (calendar_id, date)
);

CREATE TABLE tariffs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$')
);

-- A changed tariff is a new version; a call keeps the version it started with. A version never
-- changes: it has a copy of its calendar, {"name": ..., "days": {"2026-10-01": "holiday"}}.
CREATE TABLE tariff_versions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tariff_id bigint NOT NULL REFERENCES tariffs,
    version integer NOT NULL CHECK (version >= 1),
    calendar jsonb,
    rate_count integer NOT NULL CHECK (rate_count >= 1),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tariff_id, version)
);

-- Ids follow the order of the file, and those of one version follow each other.
CREATE TABLE rates (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tariff_version_id bigint NOT NULL REFERENCES tariff_versions,
    prefix text NOT NULL CHECK (prefix ~ '^[0-9]{0,15}$'),
    area text NOT NULL CHECK (area ~ '^([0-9]{6})?$'),
    connect_fee_micros bigint NOT NULL CHECK (connect_fee_micros >= 0),
    price_per_minute_micros bigint NOT NULL CHECK (price_per_minute_micros >= 0),
    minimum_seconds integer NOT NULL CHECK (minimum_seconds >= 0),
    first_increment_seconds integer NOT NULL CHECK (first_increment_seconds >= 1),
    next_increment_seconds integer NOT NULL CHECK (next_increment_seconds >= 1),
    round_to_micros bigint NOT NULL CHECK (round_to_micros >= 1),
    free_seconds integer NOT NULL CHECK (free_seconds >= 0),
    first_step_seconds integer NOT NULL CHECK (first_step_seconds >= 0),
    first_step_price_micros bigint NOT NULL CHECK (first_step_price_micros >= 0),
    maximum_cost_micros bigint CHECK (maximum_cost_micros >= 0),
    valid_from timestamptz,
    valid_until timestamptz CHECK (valid_until > valid_from),
    bands jsonb NOT NULL, -- a list of callctl.values.tariff.Band
    CHECK (prefix = '' OR area = ''),
    UNIQUE NULLS NOT DISTINCT (tariff_version_id, prefix, area, valid_from)
);

-- A reseller has two accounts: reseller:<name> pays, revenue:reseller:<name> takes what its
-- tenants and its own resellers pay.
CREATE TABLE resellers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    timezone text NOT NULL,
    account_id bigint NOT NULL UNIQUE REFERENCES accounts,
    tariff_id bigint NOT NULL REFERENCES tariffs,
    line_tariff_id bigint REFERENCES tariffs,
    parent_id bigint REFERENCES resellers,
    limits jsonb NOT NULL DEFAULT '{}',
    CHECK (parent_id <> id)
);

CREATE TABLE tenants (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    language text NOT NULL,
    timezone text NOT NULL,
    account_id bigint NOT NULL UNIQUE REFERENCES accounts,
    warn_seconds integer [] NOT NULL,
    limits jsonb NOT NULL DEFAULT '{}',
    reseller_id bigint REFERENCES resellers
);

CREATE TABLE lines (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id bigint NOT NULL REFERENCES tenants,
    name text NOT NULL,
    number text NOT NULL,
    trunk text NOT NULL CHECK (trunk ~ '^[a-z0-9_-]{1,40}$'),
    tariff_id bigint REFERENCES tariffs,
    carrier_tariff_id bigint REFERENCES tariffs,  -- what the carrier charges us for the leg
    ring_seconds integer NOT NULL CHECK (ring_seconds BETWEEN 1 AND 300),
    areas text [] NOT NULL,
    UNIQUE (tenant_id, name)
);

CREATE TABLE dids (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number text NOT NULL UNIQUE,
    tenant_id bigint NOT NULL REFERENCES tenants,
    tariff_id bigint NOT NULL REFERENCES tariffs,
    ringback text,
    greeting text,
    limits jsonb NOT NULL DEFAULT '{}'
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
