-- What numbers are answered with. Schedules, caller lists, groups, menus, messages and voicemail
-- boxes of a tenant are one object, which holds what callctl.directory.answering_entries has;
-- targets are text such as 'group:support'. A DID has a target or, as before, lines of its own
-- (did_lines); its own blacklist stays in blacklist_entries.
ALTER TABLE tenants
ADD COLUMN calendar_id bigint REFERENCES calendars,  -- the holidays of its schedules
ADD COLUMN recording_days integer NOT NULL DEFAULT 30 CHECK (recording_days >= 1),
ADD COLUMN switch_pin text CHECK (switch_pin ~ '^[0-9]{4,12}$'),
ADD COLUMN answering jsonb NOT NULL DEFAULT '{}';

ALTER TABLE lines
ADD COLUMN is_on boolean NOT NULL DEFAULT true,
ADD COLUMN schedule text,
ADD COLUMN capacity integer CHECK (capacity >= 1),
ADD COLUMN confirm_key text CHECK (confirm_key ~ '^[0-9]$'),
ADD COLUMN is_announced boolean NOT NULL DEFAULT false,
ADD COLUMN wrap_up_seconds integer NOT NULL DEFAULT 0 CHECK (wrap_up_seconds >= 0),
ADD COLUMN is_recorded boolean NOT NULL DEFAULT false;

ALTER TABLE dids
ADD COLUMN target text,  -- null: did_lines, tried by `strategy`
ADD COLUMN strategy text NOT NULL DEFAULT 'sequential',
ADD COLUMN routes jsonb NOT NULL DEFAULT '[]',  -- a list of RouteEntry
ADD COLUMN lists text [] NOT NULL DEFAULT '{}',
ADD COLUMN calls_per_caller_minute integer CHECK (calls_per_caller_minute >= 1),
ADD COLUMN schedule text,
ADD COLUMN closed text,
ADD COLUMN is_barge_in boolean NOT NULL DEFAULT false,  -- of the greeting
ADD COLUMN is_recorded boolean NOT NULL DEFAULT false,
ADD COLUMN callback_trunk text,  -- null: callers are not called back
ADD COLUMN callback_tariff_id bigint REFERENCES tariffs,
ADD COLUMN callback_carrier_tariff_id bigint REFERENCES tariffs,
ADD COLUMN callback_ring_seconds integer CHECK (callback_ring_seconds >= 1),
ADD COLUMN extras jsonb NOT NULL DEFAULT '{}';  -- bought beyond what is included: ExtrasEntry

-- Switched by hand, and so no part of what callctl apply writes. None: as the schedule says.
CREATE TABLE did_switches (
    did text PRIMARY KEY REFERENCES dids (number) ON DELETE CASCADE,
    position text NOT NULL CHECK (position IN ('open', 'closed', 'schedule')),
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL
);
