-- What operators ask of a running switch, and what the last audit found.

-- A command is for one owner of an Asterisk: who owns it later has nothing to do with it.
CREATE TABLE switch_commands (
    id uuid PRIMARY KEY,
    asterisk text NOT NULL,
    epoch bigint NOT NULL,  -- of the switch that owned it when it was asked
    command text NOT NULL CHECK (command IN ('drain', 'hang_up')),
    call_id uuid,  -- of the call to hang up
    within_seconds double precision CHECK (within_seconds >= 0),  -- of a drain; NULL: no end
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    taken_at timestamptz,
    calls_left integer,  -- while it drains
    outcome text  -- once it is done
);

-- Each proof's last result: an audit without --asterisk leaves that proof's as it was.
CREATE TABLE audit_results (
    proof text PRIMARY KEY,
    at timestamptz NOT NULL,
    findings bigint NOT NULL
);

-- A live call's row must be written while somebody keeps its account locked, too: its foreign key
-- would wait for the lock, and the journal's other calls with it. Accounts are never deleted.
ALTER TABLE live_calls DROP CONSTRAINT live_calls_account_id_fkey;
