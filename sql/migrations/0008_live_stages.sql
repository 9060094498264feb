-- How far a call has got: menus, queues, messages and voicemail beside ringing and talking. New
-- columns may be null, so that what callctl_journal_v1 writes stays right.
ALTER TABLE live_calls DROP CONSTRAINT live_calls_stage_check;
ALTER TABLE live_calls ADD CONSTRAINT live_calls_stage_check CHECK (
    stage IN (
        'ringing', 'greeting', 'menu', 'message', 'queued', 'voicemail', 'callback', 'talking'
    )
);
ALTER TABLE live_calls
ADD COLUMN asterisk text,  -- whose channels they are
ADD COLUMN direction text,
ADD COLUMN group_name text,
ADD COLUMN begun_at timestamptz,  -- the caller was answered, by whatever
ADD COLUMN memory jsonb;  -- what a later run of the switch needs to go on with the call

ALTER TABLE cdrs
ADD COLUMN stage text,
ADD COLUMN group_name text,
ADD COLUMN direction text,
ADD COLUMN parent_call_id uuid;  -- the missed call that a callback answers

CREATE INDEX cdrs_by_caller ON cdrs (caller, setup_at DESC);

-- The writer tells whose it is: callctl_check_epoch_v1 (0014_lease.sql) refuses a stale one.
CREATE FUNCTION callctl_journal_v2(p_asterisk text, p_epoch bigint, p_live jsonb, p_ended jsonb)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM callctl_check_epoch_v1(p_asterisk, p_epoch);

    INSERT INTO live_calls
    SELECT l.*
    FROM jsonb_array_elements(p_live) AS live (row)
    CROSS JOIN jsonb_populate_record(
        NULL::live_calls, live.row || jsonb_build_object('asterisk', p_asterisk)
    ) AS l
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
