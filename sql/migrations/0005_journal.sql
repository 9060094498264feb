-- The journal's one statement: live calls as they change, CDRs as calls end, in one commit.
-- p_live and p_ended are arrays of objects named like the columns; p_ended's have "legs" and
-- "charges" too.
-- A CDR is written once: the same call again changes nothing.
CREATE FUNCTION callctl_journal_v1(p_live jsonb, p_ended jsonb)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO live_calls
    SELECT * FROM jsonb_populate_recordset(NULL::live_calls, p_live)
    ON CONFLICT (call_id) DO UPDATE SET
        stage = excluded.stage,
        answered_at = excluded.answered_at,
        line = excluded.line,
        b_channel_id = excluded.b_channel_id,
        charges = excluded.charges,
        counts = excluded.counts,
        reservations = excluded.reservations;

    INSERT INTO cdrs
    SELECT * FROM jsonb_populate_recordset(NULL::cdrs, p_ended)
    ON CONFLICT (call_id) DO NOTHING;

    INSERT INTO cdr_legs
    SELECT leg.*
    FROM jsonb_array_elements(p_ended) AS ended (cdr)
    CROSS JOIN jsonb_populate_recordset(NULL::cdr_legs, ended.cdr -> 'legs') AS leg
    ON CONFLICT (leg_id) DO NOTHING;

    INSERT INTO cdr_charges
    SELECT charge.*
    FROM jsonb_array_elements(p_ended) AS ended (cdr)
    CROSS JOIN jsonb_populate_recordset(NULL::cdr_charges, ended.cdr -> 'charges') AS charge
    WHERE ended.cdr -> 'charges' <> '[]'
    ON CONFLICT (leg_id, account) DO NOTHING;

    DELETE FROM live_calls AS l
    USING jsonb_array_elements(p_ended) AS ended (cdr)
    WHERE l.call_id = (ended.cdr ->> 'call_id')::uuid;

    PERFORM pg_notify('callctl_calls', '');
END $$;
