-- Callers who are to be called back: asked for with callctl callback, or promised in a call.
CREATE TABLE callbacks (
    id uuid PRIMARY KEY,
    call_id uuid NOT NULL,  -- the call that was missed, or in which it was promised
    tenant text NOT NULL,
    did text NOT NULL,
    caller text NOT NULL,
    group_name text,  -- whose lines are rung
    line text,  -- the one line that is rung instead
    is_promised boolean NOT NULL,  -- to the caller: tried again while no line takes it
    keeps_place boolean NOT NULL DEFAULT false,  -- in the queue of the group, which he has left
    requested_at timestamptz NOT NULL DEFAULT now(),
    requested_by text NOT NULL,
    not_before timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (
        state IN ('waiting', 'claimed', 'calling', 'done', 'failed', 'expired')
    ),
    switch text,  -- who has claimed it, and keeps it until lease_until unless it renews
    lease_until timestamptz,
    callback_call_id uuid,  -- the call that it became: of the last attempt
    is_caller_rung boolean NOT NULL DEFAULT false,  -- from then on it is never tried again
    reason text NOT NULL DEFAULT '',
    attempts integer NOT NULL DEFAULT 0,
    history jsonb NOT NULL DEFAULT '[]',  -- [{"at": ..., "what": ...}, ...]
    CHECK ((state IN ('claimed', 'calling')) = (lease_until IS NOT NULL))
);

-- Nobody is called back twice: one caller of one number waits for one callback at most.
CREATE UNIQUE INDEX callbacks_open ON callbacks (did, caller)
WHERE state IN ('waiting', 'claimed', 'calling');
CREATE INDEX callbacks_by_caller ON callbacks (did, caller, requested_at);
CREATE INDEX callbacks_by_call ON callbacks (callback_call_id);

CREATE FUNCTION callctl_callbacks_changed_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('callctl_callbacks', '');
    RETURN NULL;
END $$;

-- For each row: a statement that changed none must not make its own sender look again, for ever.
CREATE TRIGGER callbacks_changed
AFTER INSERT OR UPDATE OF state ON callbacks
FOR EACH ROW EXECUTE FUNCTION callctl_callbacks_changed_v1();
