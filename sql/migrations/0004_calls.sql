-- Live calls (gone when they end) and the CDRs (written once).

CREATE TABLE live_calls (
    call_id uuid PRIMARY KEY,
    did text NOT NULL,
    tenant text NOT NULL,
    account_id bigint NOT NULL REFERENCES accounts,
    caller text NOT NULL,
    area text NOT NULL,
    stage text NOT NULL CHECK (stage IN ('ringing', 'talking')),
    setup_at timestamptz NOT NULL,
    answered_at timestamptz,
    line text,
    a_channel_id text NOT NULL,
    b_channel_id text,
    revision_id bigint NOT NULL,
    charges jsonb NOT NULL,  -- per payer of a leg: account, reservation, rate, paid seconds
    counts jsonb NOT NULL,  -- per limit on how many: account, reservation
    reservations uuid [] NOT NULL  -- of all of these
) WITH (fillfactor = 50);

CREATE TABLE cdrs (
    call_id uuid PRIMARY KEY,
    did text NOT NULL,
    tenant text,
    caller text NOT NULL,
    area_code text NOT NULL,
    area text NOT NULL,
    line text,
    disposition text NOT NULL,
    hangup_cause integer NOT NULL,
    ended_by text NOT NULL,
    setup_at timestamptz NOT NULL,
    answered_at timestamptz,
    ended_at timestamptz NOT NULL,
    ring_seconds numeric(12, 3) NOT NULL,
    talk_seconds numeric(12, 3) NOT NULL,
    cost_micros bigint NOT NULL,
    currency text,
    sip_call_id text NOT NULL,
    revision_id bigint,
    trace jsonb NOT NULL
);

CREATE INDEX cdrs_by_tenant ON cdrs (tenant, setup_at DESC);
CREATE INDEX cdrs_by_time ON cdrs (setup_at DESC);

CREATE TABLE cdr_legs (
    leg_id uuid PRIMARY KEY,
    call_id uuid NOT NULL REFERENCES cdrs,
    side text NOT NULL CHECK (side IN ('a', 'b')),
    line text,
    number text NOT NULL,
    channel_id text NOT NULL,
    sip_call_id text NOT NULL,
    disposition text NOT NULL,
    hangup_cause integer NOT NULL,
    setup_at timestamptz NOT NULL,
    answered_at timestamptz,
    ended_at timestamptz NOT NULL,
    ring_seconds numeric(12, 3) NOT NULL,
    talk_seconds numeric(12, 3) NOT NULL,
    billed_seconds integer NOT NULL,
    cost_micros bigint NOT NULL,
    account text,
    tariff text,
    tariff_version integer,
    rate_id bigint,  -- the frozen rate: charged_ms from charged_from on cost cost_micros
    rate_prefix text,
    timezone text,
    charged_from timestamptz,
    charged_ms bigint NOT NULL DEFAULT 0,
    reservation_id uuid
);

CREATE INDEX cdr_legs_by_call ON cdr_legs (call_id);

-- What a leg cost the tenant's reseller, that one's parents, and us who pay the carrier.
CREATE TABLE cdr_charges (
    leg_id uuid NOT NULL REFERENCES cdr_legs,
    account text NOT NULL,
    tariff text NOT NULL,
    tariff_version integer NOT NULL,
    rate_id bigint NOT NULL,
    timezone text NOT NULL,
    charged_from timestamptz,
    charged_ms bigint NOT NULL,
    billed_seconds integer NOT NULL,
    cost_micros bigint NOT NULL,
    reservation_id uuid NOT NULL,
    PRIMARY KEY (leg_id, account)
);
