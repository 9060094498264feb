-- The ledger: accounts, reservations and append-only transfers, all in micro-units (10^-6).
-- A balance is a cache of its transfers; the only writer is callctl_ledger_apply_v1.

CREATE TABLE accounts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    kind text NOT NULL CHECK (kind IN ('prepaid', 'revenue', 'clearing')),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    credit_limit_micros bigint NOT NULL DEFAULT 0 CHECK (credit_limit_micros >= 0),
    balance_micros bigint NOT NULL DEFAULT 0,
    held_micros bigint NOT NULL DEFAULT 0 CHECK (held_micros >= 0),
    open_reservations integer NOT NULL DEFAULT 0 CHECK (open_reservations >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    -- The second lock: the first is the condition inside callctl_ledger_apply_v1.
    CONSTRAINT accounts_never_below_limit CHECK (
        kind <> 'prepaid' OR balance_micros + credit_limit_micros - held_micros >= 0
    )
) WITH (fillfactor = 50);

CREATE TABLE reservations (
    id uuid PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES accounts,
    leg_id uuid NOT NULL,
    held_micros bigint NOT NULL CHECK (held_micros >= 0),
    posted_micros bigint NOT NULL CHECK (posted_micros >= 0),
    opened_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    CONSTRAINT reservations_closed_hold_nothing CHECK (closed_at IS NULL OR held_micros = 0)
) WITH (fillfactor = 70);

CREATE INDEX reservations_open ON reservations (account_id) WHERE closed_at IS NULL;

-- One row per granted request. amount_micros moves from one account to another (two entries);
-- hold_change_micros is what the payer's held money changed by. The id is the caller's.
CREATE TABLE transfers (
    id uuid PRIMARY KEY,
    position bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL CHECK (
        kind IN ('reserve', 'renew', 'settle', 'opening', 'topup', 'refund', 'fee')
    ),
    from_account_id bigint NOT NULL REFERENCES accounts,
    to_account_id bigint NOT NULL REFERENCES accounts,
    amount_micros bigint NOT NULL CHECK (amount_micros >= 0),
    reservation_id uuid,
    hold_wanted_micros bigint NOT NULL CHECK (hold_wanted_micros >= 0),
    hold_change_micros bigint NOT NULL,
    is_short boolean NOT NULL DEFAULT false,
    from_balance_micros bigint NOT NULL,
    to_balance_micros bigint NOT NULL,
    memo text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (from_account_id <> to_account_id)
);

CREATE INDEX transfers_from ON transfers (from_account_id, position);
CREATE INDEX transfers_to ON transfers (to_account_id, position) WHERE amount_micros > 0;

CREATE FUNCTION callctl_append_only_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'CC001';
END $$;

CREATE TRIGGER transfers_append_only
BEFORE UPDATE OR DELETE OR TRUNCATE ON transfers
FOR EACH STATEMENT EXECUTE FUNCTION callctl_append_only_v1();

-- Double entry as it is read: two signed rows for each transfer of money.
CREATE VIEW entries AS
SELECT
    id AS transfer_id,
    position,
    from_account_id AS account_id,
    -amount_micros AS amount_micros,
    from_balance_micros AS balance_micros,
    kind,
    reservation_id,
    memo,
    created_at
FROM transfers
WHERE amount_micros > 0
UNION ALL
SELECT
    id AS transfer_id,
    position,
    to_account_id AS account_id,
    amount_micros,
    to_balance_micros AS balance_micros,
    kind,
    reservation_id,
    memo,
    created_at
FROM transfers
WHERE amount_micros > 0;
