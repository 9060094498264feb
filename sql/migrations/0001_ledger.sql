-- The ledger: accounts, reservations and append-only transfers, all in micro-units (10^-6).
-- A balance is a cache of its transfers; the only writer is callctl_ledger_apply_v1.

CREATE TABLE accounts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    kind text NOT NULL CHECK (
        kind IN ('prepaid', 'reseller', 'limit', 'revenue', 'carrier', 'clearing', 'usage')
    ),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    credit_limit_micros bigint NOT NULL DEFAULT 0 CHECK (credit_limit_micros >= 0),
    balance_micros bigint NOT NULL DEFAULT 0,
    held_micros bigint NOT NULL DEFAULT 0 CHECK (held_micros >= 0),
    open_reservations integer NOT NULL DEFAULT 0 CHECK (open_reservations >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    moved_at timestamptz,  -- its last transfer's created_at, or later
    -- The second lock: the first is the condition inside callctl_ledger_apply_v1. A limit has only
    -- the first: its cap may be set below what is used already.
    CONSTRAINT accounts_never_below_limit CHECK (
        kind NOT IN ('prepaid', 'reseller')
        OR balance_micros + credit_limit_micros - held_micros >= 0
    )
) WITH (fillfactor = 50);

-- Money held for a leg. The accounts of reservations and transfers are not foreign keys: the
-- ledger's one writer has locked them when it writes, and accounts are never deleted (below). A
-- foreign key would look each of them up again for every row, a third of the ledger's time.
CREATE TABLE reservations (
    id uuid PRIMARY KEY,
    account_id bigint NOT NULL,
    payee_account_id bigint NOT NULL,
    leg_id uuid NOT NULL,
    held_micros bigint NOT NULL CHECK (held_micros >= 0),
    posted_micros bigint NOT NULL CHECK (posted_micros >= 0),
    expires_at timestamptz,  -- from then on `expire` may void it; null: never
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,  -- since when it holds nothing
    -- A settlement that comes after the expiry settles it all the same.
    state text NOT NULL CHECK (state IN ('open', 'expired', 'settled')),
    CONSTRAINT reservations_closed_hold_nothing CHECK (
        CASE WHEN state = 'open' THEN closed_at IS NULL
        ELSE closed_at IS NOT NULL AND held_micros = 0 END
    )
) WITH (fillfactor = 70);

-- The expiry moment is in no index, so that a renewal touches none: the overdue are looked for
-- among the open ones, who are as many as the legs that talk.
CREATE INDEX reservations_open ON reservations (account_id) WHERE state = 'open';

-- One row per granted request. amount_micros moves from one account to another (two entries);
-- hold_change_micros is what the payer's held money changed by, open_change the number of its open
-- reservations. The id is the caller's.
CREATE TABLE transfers (
    id uuid PRIMARY KEY,
    position bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL CHECK (
        kind IN ('reserve', 'renew', 'settle', 'expire', 'opening', 'topup', 'refund', 'fee')
    ),
    from_account_id bigint NOT NULL,
    to_account_id bigint NOT NULL,
    amount_micros bigint NOT NULL CHECK (amount_micros >= 0),
    reservation_id uuid,
    hold_wanted_micros bigint NOT NULL CHECK (hold_wanted_micros >= 0),
    expires_seconds integer NOT NULL CHECK (expires_seconds >= 0),
    hold_change_micros bigint NOT NULL,
    open_change smallint NOT NULL,
    is_short boolean NOT NULL DEFAULT false,
    from_balance_micros bigint NOT NULL,
    to_balance_micros bigint NOT NULL,
    memo text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,  -- rises with position within an account
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

CREATE TRIGGER accounts_never_deleted
BEFORE DELETE OR TRUNCATE ON accounts
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
