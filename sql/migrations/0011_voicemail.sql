-- Voicemails and recorded talks, each a file in a folder of recordings; the mails that carry
-- voicemails; and who took a file out or deleted it.
-- `folder` is the id of the folder that the file lies in: only who has that folder can send it or
-- delete it. A file's name is made of the call's id. `deleted_at`: the file is gone, the row stays.

CREATE TABLE voicemails (
    id uuid PRIMARY KEY,
    call_id uuid NOT NULL,
    tenant text NOT NULL,
    did text NOT NULL,
    box text NOT NULL,
    caller text NOT NULL,
    area text NOT NULL,
    language text NOT NULL,
    timezone text NOT NULL,
    email text,
    folder uuid NOT NULL,
    file_name text NOT NULL UNIQUE CHECK (file_name ~ '^[0-9a-f-]{36}-voicemail\.wav$'),
    recorded_at timestamptz NOT NULL,  -- the beep
    seconds_max integer NOT NULL CHECK (seconds_max > 0),
    seconds numeric(8, 1),  -- null while the caller speaks
    heard_at timestamptz,
    delete_after timestamptz NOT NULL,
    deleted_at timestamptz
);

CREATE INDEX voicemails_by_tenant ON voicemails (tenant, recorded_at DESC);
CREATE INDEX voicemails_by_time ON voicemails (recorded_at DESC);
CREATE INDEX voicemails_by_call ON voicemails (call_id);
CREATE INDEX voicemails_due ON voicemails (delete_after) WHERE deleted_at IS NULL;
CREATE INDEX voicemails_open ON voicemails (recorded_at) WHERE seconds IS NULL;

-- The outbox. A mail is claimed by moving its next_try_at beyond the time that a try may take.
CREATE TABLE mails (
    id uuid PRIMARY KEY,
    voicemail_id uuid NOT NULL UNIQUE REFERENCES voicemails,
    recipient text NOT NULL,
    created_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_try_at timestamptz NOT NULL,
    sent_at timestamptz,
    given_up_at timestamptz,
    last_error text NOT NULL DEFAULT ''
);

CREATE INDEX mails_due ON mails (next_try_at) WHERE sent_at IS NULL AND given_up_at IS NULL;

-- How long a talk was is in its CDR.
CREATE TABLE recordings (
    call_id uuid PRIMARY KEY,
    leg_id uuid NOT NULL,
    tenant text NOT NULL,
    did text NOT NULL,
    line text,
    folder uuid NOT NULL,
    file_name text NOT NULL UNIQUE CHECK (file_name ~ '^[0-9a-f-]{36}\.wav$'),
    started_at timestamptz NOT NULL,
    delete_after timestamptz NOT NULL,
    deleted_at timestamptz
);

CREATE INDEX recordings_by_tenant ON recordings (tenant, started_at DESC);
CREATE INDEX recordings_by_time ON recordings (started_at DESC);
CREATE INDEX recordings_due ON recordings (delete_after) WHERE deleted_at IS NULL;

CREATE TABLE file_accesses (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    file_name text NOT NULL,
    act text NOT NULL CHECK (act IN ('export', 'delete')),
    who text NOT NULL,
    at timestamptz NOT NULL
);

CREATE INDEX file_accesses_by_file ON file_accesses (file_name);

CREATE INDEX cdrs_missed ON cdrs (setup_at DESC) WHERE answered_at IS NULL;
