-- The lease without a wall clock, reservations that know whose they are, and CDRs that may come
-- twice.

-- An owner's renewals count up `beat`; whoever stands by takes the lease when epoch and beat have
-- stood still for long enough by its own clock. '' holds it when it was given back. `until` was
-- decided by before; a callctl of that time renews by it, which counts, and leaves NULL alone.
ALTER TABLE switch_leases
ADD COLUMN beat bigint NOT NULL DEFAULT 0,
ALTER COLUMN until DROP NOT NULL;

CREATE FUNCTION callctl_lease_beat_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.beat := OLD.beat + 1;
    RETURN NEW;
END $$;

CREATE TRIGGER switch_leases_until_beats
BEFORE UPDATE OF until ON switch_leases
FOR EACH ROW EXECUTE FUNCTION callctl_lease_beat_v1();

-- The new epoch; NULL when the lease is not as it was seen: epoch and beat, NULL for no row.
CREATE FUNCTION callctl_take_lease_v2(
    p_asterisk text, p_holder text, p_epoch bigint, p_beat bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_epoch bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(callctl_lease_lock_v1(p_asterisk));
    INSERT INTO switch_leases AS l (asterisk, holder, epoch)
    VALUES (p_asterisk, p_holder, 1)
    ON CONFLICT (asterisk) DO UPDATE SET
        holder = excluded.holder, epoch = l.epoch + 1, until = NULL
    WHERE l.epoch = p_epoch AND l.beat = p_beat
    RETURNING epoch INTO v_epoch;
    RETURN v_epoch;
END $$;

-- Whose switch made it; NULL when a command did, or a callctl that did not tell. A default, so
-- that the ledger's one writer stays as it is.
ALTER TABLE reservations
ADD COLUMN asterisk text DEFAULT nullif(current_setting('callctl.asterisk', TRUE), '');

CREATE FUNCTION callctl_ledger_apply_v3(
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
    PERFORM set_config('callctl.asterisk', p_asterisk, TRUE);
    RETURN QUERY
    SELECT *
    FROM callctl_ledger_apply_v1(
        p_steps, p_ids, p_kinds, p_reservations, p_legs, p_payers, p_payees, p_amounts, p_holds,
        p_memos, p_expires
    );
END $$;

-- As callctl_journal_v2, but of a call that has a CDR nothing more is written: two runs of the
-- switch may each have made one, and a row that is late must not bring the call back to life.
CREATE FUNCTION callctl_journal_v3(p_asterisk text, p_epoch bigint, p_live jsonb, p_ended jsonb)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM callctl_check_epoch_v1(p_asterisk, p_epoch);

    INSERT INTO live_calls
    SELECT l.*
    FROM jsonb_array_elements(p_live) AS live (row)
    CROSS JOIN jsonb_populate_record(
        NULL::live_calls, live.row || jsonb_build_object('asterisk', p_asterisk)
    ) AS l
    WHERE NOT EXISTS (SELECT FROM cdrs AS c WHERE c.call_id = l.call_id)
    ON CONFLICT (call_id) DO UPDATE SET
        stage = excluded.stage,
        answered_at = excluded.answered_at,
        line = excluded.line,
        b_channel_id = excluded.b_channel_id,
        charges = excluded.charges,
        counts = excluded.counts,
        reservations = excluded.reservations,
        group_name = excluded.group_name,
        begun_at = excluded.begun_at,
        memory = excluded.memory;

    WITH written AS (
        INSERT INTO cdrs
        SELECT * FROM jsonb_populate_recordset(NULL::cdrs, p_ended)
        ON CONFLICT (call_id) DO NOTHING
        RETURNING call_id
    ), ended AS (
        SELECT e.cdr
        FROM jsonb_array_elements(p_ended) AS e (cdr)
        INNER JOIN written AS w ON w.call_id = (e.cdr ->> 'call_id')::uuid
    ), legs AS (
        INSERT INTO cdr_legs
        SELECT leg.*
        FROM ended AS e
        CROSS JOIN jsonb_populate_recordset(NULL::cdr_legs, e.cdr -> 'legs') AS leg
        ON CONFLICT (leg_id) DO NOTHING
    )
    INSERT INTO cdr_charges
    SELECT charge.*
    FROM ended AS e
    CROSS JOIN jsonb_populate_recordset(NULL::cdr_charges, e.cdr -> 'charges') AS charge
    ON CONFLICT (leg_id, account) DO NOTHING;

    DELETE FROM live_calls AS l
    USING jsonb_array_elements(p_ended) AS ended (cdr)
    WHERE l.call_id = (ended.cdr ->> 'call_id')::uuid;

    PERFORM pg_notify('callctl_calls', '');
END $$;
