-- One owner per Asterisk: a lease with an epoch, which every write of money and calls carries. A
-- writer holds the lease's advisory lock shared while it looks at the epoch and writes; whoever
-- takes the lease over holds it alone, so a stale write is either before the new epoch or refused.
CREATE TABLE switch_leases (
    asterisk text PRIMARY KEY,
    holder text NOT NULL,  -- host, boot, process and its start: callctl.db.lease
    epoch bigint NOT NULL,
    until timestamptz NOT NULL
);

CREATE FUNCTION callctl_lease_lock_v1(p_asterisk text) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT hashtextextended('callctl lease ' || p_asterisk, 0)
$$;

-- The new epoch; NULL while somebody else has the lease, unless it is `p_dead`.
CREATE FUNCTION callctl_take_lease_v1(
    p_asterisk text, p_holder text, p_seconds double precision, p_dead text
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_epoch bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(callctl_lease_lock_v1(p_asterisk));
    INSERT INTO switch_leases AS l (asterisk, holder, epoch, until)
    VALUES (p_asterisk, p_holder, 1, clock_timestamp() + make_interval(secs => p_seconds))
    ON CONFLICT (asterisk) DO UPDATE SET
        holder = excluded.holder, epoch = l.epoch + 1, until = excluded.until
    WHERE l.until <= clock_timestamp() OR l.holder = p_dead
    RETURNING epoch INTO v_epoch;
    RETURN v_epoch;
END $$;

-- Refuses a writer who is not the owner any more; one without an Asterisk (a command) is let pass.
CREATE FUNCTION callctl_check_epoch_v1(p_asterisk text, p_epoch bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF p_asterisk IS NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock_shared(callctl_lease_lock_v1(p_asterisk));
    IF NOT EXISTS (
        SELECT FROM switch_leases AS l WHERE l.asterisk = p_asterisk AND l.epoch = p_epoch
    ) THEN
        RAISE EXCEPTION 'epoch % of % is over', p_epoch, p_asterisk USING ERRCODE = 'CC002';
    END IF;
END $$;

CREATE FUNCTION callctl_ledger_apply_v2(
    p_asterisk text,
    p_epoch bigint,
    p_steps integer [],
    p_ids uuid [],
    p_kinds text [],
    p_reservations uuid [],
    p_legs uuid [],
    p_payers bigint [],
    p_payees bigint [],
    p_amounts bigint [],
    p_holds bigint [],
    p_memos text [],
    p_expires integer []
) RETURNS TABLE (
    outcome text,
    balance_micros bigint,
    available_micros bigint,
    open_reservations integer,
    held_micros bigint
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM callctl_check_epoch_v1(p_asterisk, p_epoch);
    RETURN QUERY
    SELECT *
    FROM callctl_ledger_apply_v1(
        p_steps, p_ids, p_kinds, p_reservations, p_legs, p_payers, p_payees, p_amounts, p_holds,
        p_memos, p_expires
    );
END $$;
