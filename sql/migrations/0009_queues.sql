-- What lines do, and who waits for them in which order; true across switches. Seats and places have
-- leases: what a switch that is gone held is free after them. `version` grows with each change of
-- a line or a queue under its row's lock, so that memory never goes back to an older state.

CREATE TABLE line_states (
    line_id bigint PRIMARY KEY REFERENCES lines ON DELETE CASCADE,
    version bigint NOT NULL DEFAULT 1,
    call_count integer NOT NULL DEFAULT 0,  -- answered ones of counted_on, a day of the tenant's
    counted_on date,
    last_call_at timestamptz,
    failures integer NOT NULL DEFAULT 0,  -- in a row
    rested_until timestamptz,
    rested_why text NOT NULL DEFAULT '',
    wraps_up_until timestamptz,
    hold_seconds double precision,  -- a running mean over the last twenty calls, wrap-up included
    hold_count integer NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE TABLE line_seats (
    line_id bigint NOT NULL REFERENCES lines ON DELETE CASCADE,
    call_id uuid NOT NULL,
    switch text NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (line_id, call_id)
) WITH (fillfactor = 50);

CREATE INDEX line_seats_by_call ON line_seats (call_id);

CREATE TABLE queues (
    tenant text NOT NULL,
    group_name text NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant, group_name)
) WITH (fillfactor = 50);

-- callback_until: until when the caller, who has hung up, is to be called back; null: he waits.
CREATE TABLE queue_places (
    call_id uuid PRIMARY KEY,
    tenant text NOT NULL,
    group_name text NOT NULL,
    did text NOT NULL,
    caller text NOT NULL,
    is_vip boolean NOT NULL,
    entered_at timestamptz NOT NULL,
    line_ids bigint [] NOT NULL,  -- the group's lines that serve callers from his area
    state text NOT NULL CHECK (state IN ('waiting', 'ringing', 'callback')),
    switch text NOT NULL,
    until timestamptz NOT NULL,
    callback_until timestamptz,
    FOREIGN KEY (tenant, group_name) REFERENCES queues
) WITH (fillfactor = 50);

CREATE INDEX queue_places_by_queue ON queue_places (tenant, group_name);

-- Lines as they stand, all of them if p_lines is null; `others` are seats of other switches.
CREATE FUNCTION callctl_line_states_v1(p_lines bigint [], p_switch text)
RETURNS TABLE (
    line_id bigint,
    version bigint,
    timezone text,
    call_count integer,
    last_call_at timestamptz,
    rested_until timestamptz,
    rested_why text,
    wraps_up_until timestamptz,
    hold_seconds double precision,
    others integer
) LANGUAGE sql AS $$
    SELECT
        s.line_id,
        s.version,
        t.timezone,
        CASE
            WHEN s.counted_on = (clock_timestamp() AT TIME ZONE t.timezone)::date THEN s.call_count
            ELSE 0
        END,
        s.last_call_at,
        s.rested_until,
        s.rested_why,
        s.wraps_up_until,
        s.hold_seconds,
        (
            SELECT count(*)::integer
            FROM line_seats AS seat
            WHERE
                seat.line_id = s.line_id
                AND seat.switch <> p_switch
                AND seat.until > clock_timestamp()
        )
    FROM line_states AS s
    INNER JOIN lines AS l ON l.id = s.line_id
    INNER JOIN tenants AS t ON t.id = l.tenant_id
    WHERE p_lines IS NULL OR s.line_id = ANY (p_lines)
$$;

-- A seat for the call if fewer than p_capacity other calls have one; its own seat is renewed.
-- No row: the line is provisioned no more, and nobody counts.
CREATE FUNCTION callctl_take_seat_v1(
    p_line bigint, p_call uuid, p_capacity integer, p_switch text, p_lease_seconds double precision
)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_until timestamptz := clock_timestamp() + make_interval(secs => p_lease_seconds);
BEGIN
    INSERT INTO line_states AS s (line_id)
    SELECT l.id FROM lines AS l WHERE l.id = p_line
    ON CONFLICT (line_id) DO UPDATE SET version = s.version + 1;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    DELETE FROM line_seats AS seat
    WHERE seat.line_id = p_line AND seat.until <= clock_timestamp() AND seat.call_id <> p_call;
    IF (
        SELECT count(*) FROM line_seats AS seat
        WHERE seat.line_id = p_line AND seat.call_id <> p_call
    ) >= p_capacity THEN
        RETURN false;
    END IF;
    INSERT INTO line_seats (line_id, call_id, switch, until)
    VALUES (p_line, p_call, p_switch, v_until)
    ON CONFLICT (line_id, call_id) DO UPDATE SET switch = excluded.switch, until = excluded.until;
    PERFORM pg_notify('callctl_lines', p_switch || ' ' || p_line);
    RETURN true;
END $$;

-- What came of calls on lines: p_uses is an array of objects, see callctl.queues.line_book. Three
-- failures in a row rest a line for 60 s, each further one for twice as long, up to 600 s.
CREATE FUNCTION callctl_use_lines_v1(p_uses jsonb, p_switch text)
RETURNS SETOF bigint LANGUAGE plpgsql AS $$
DECLARE
    v_use record;
    v_today date;
BEGIN
    FOR v_use IN
        SELECT u.*, t.timezone
        FROM jsonb_to_recordset(p_uses) AS u (
            line_id bigint,
            call_id uuid,
            at timestamptz,
            is_answered boolean,
            is_failed boolean,
            why text,
            wrap_up_seconds integer,
            hold_seconds double precision
        )
        INNER JOIN lines AS l ON l.id = u.line_id
        INNER JOIN tenants AS t ON t.id = l.tenant_id
        ORDER BY u.line_id, u.at
    LOOP
        v_today := (v_use.at AT TIME ZONE v_use.timezone)::date;
        INSERT INTO line_states AS s (line_id) VALUES (v_use.line_id)
        ON CONFLICT (line_id) DO UPDATE SET version = s.version + 1;
        DELETE FROM line_seats AS seat
        WHERE seat.line_id = v_use.line_id AND seat.call_id = v_use.call_id;
        IF v_use.is_answered THEN
            UPDATE line_states AS s SET
                call_count = CASE WHEN s.counted_on = v_today THEN s.call_count ELSE 0 END + 1,
                counted_on = v_today,
                last_call_at = greatest(s.last_call_at, v_use.at),
                failures = 0,
                rested_until = NULL,
                wraps_up_until = CASE
                    WHEN v_use.wrap_up_seconds > 0
                        THEN v_use.at + make_interval(secs => v_use.wrap_up_seconds)
                    ELSE s.wraps_up_until
                END,
                hold_seconds = coalesce(
                    coalesce(s.hold_seconds, v_use.hold_seconds)
                    + (v_use.hold_seconds - coalesce(s.hold_seconds, v_use.hold_seconds))
                    / (least(s.hold_count, 19) + 1),
                    s.hold_seconds
                ),
                hold_count = least(s.hold_count + 1, 20)
            WHERE s.line_id = v_use.line_id;
        ELSIF v_use.is_failed THEN
            UPDATE line_states AS s SET
                failures = s.failures + 1,
                rested_until = CASE
                    WHEN s.failures < 2 THEN s.rested_until
                    ELSE v_use.at + make_interval(
                        secs => least(600, 60 * 2 ^ least(s.failures - 2, 10))
                    )
                END,
                rested_why = (s.failures + 1) || ' failures in a row'
                || coalesce(', the last: ' || nullif(v_use.why, ''), '')
            WHERE s.line_id = v_use.line_id;
        END IF;
        RETURN NEXT v_use.line_id;
    END LOOP;
    PERFORM pg_notify('callctl_lines', p_switch || ' ' || string_agg(DISTINCT u ->> 'line_id', ','))
    FROM jsonb_array_elements(p_uses) AS u;
END $$;

-- The row's lock serialises what happens to the queue.
CREATE FUNCTION callctl_lock_queue_v1(p_tenant text, p_group text)
RETURNS bigint LANGUAGE sql AS $$
    INSERT INTO queues AS q (tenant, group_name) VALUES (p_tenant, p_group)
    ON CONFLICT (tenant, group_name) DO UPDATE SET version = q.version + 1
    RETURNING version
$$;

CREATE FUNCTION callctl_tell_queue_v1(p_switch text, p_tenant text, p_group text)
RETURNS void LANGUAGE sql AS $$
    SELECT pg_notify('callctl_queues', json_build_array(p_switch, p_tenant, p_group)::text)
$$;

-- Enter, or come back to the place that the call has. Returns no row when the queue is full.
CREATE FUNCTION callctl_enter_queue_v1(
    p_place jsonb, p_length_max integer, p_lease_seconds double precision
)
RETURNS TABLE (version bigint, entered_at timestamptz, is_vip boolean) LANGUAGE plpgsql AS $$
DECLARE
    v_place queue_places := jsonb_populate_record(NULL::queue_places, p_place);
    v_version bigint := callctl_lock_queue_v1(v_place.tenant, v_place.group_name);
BEGIN
    IF (
        SELECT count(*) FROM queue_places AS p
        WHERE
            p.tenant = v_place.tenant
            AND p.group_name = v_place.group_name
            AND p.until > clock_timestamp()
            AND p.call_id <> v_place.call_id
    ) >= p_length_max THEN
        RETURN;
    END IF;
    v_place.until := coalesce(
        v_place.callback_until, clock_timestamp() + make_interval(secs => p_lease_seconds)
    );
    PERFORM callctl_tell_queue_v1(v_place.switch, v_place.tenant, v_place.group_name);
    RETURN QUERY
    INSERT INTO queue_places AS p SELECT (v_place).*
    ON CONFLICT (call_id) DO UPDATE SET
        tenant = excluded.tenant,
        group_name = excluded.group_name,
        entered_at = least(p.entered_at, excluded.entered_at),
        line_ids = excluded.line_ids,
        state = excluded.state,
        switch = excluded.switch,
        until = excluded.until,
        callback_until = excluded.callback_until
    RETURNING v_version, p.entered_at, p.is_vip;
END $$;

-- Whether the call is the first of those who wait for any of these lines; then it is ringing. With
-- p_capacities it gets a seat on the first of the lines that has one, or stays where it is: were it
-- ringing without, who comes next could be quicker on the lines.
CREATE FUNCTION callctl_claim_place_v1(
    p_call uuid,
    p_lines bigint [],
    p_capacities integer [],
    p_switch text,
    p_lease_seconds double precision,
    p_seat_seconds double precision,
    p_seat_call uuid  -- whose the seat is: of a callback not who left, but the call to him
)
RETURNS TABLE (is_first boolean, version bigint, line_id bigint) LANGUAGE plpgsql AS $$
DECLARE
    v_mine queue_places;
    v_tenant text;
    v_group text;
BEGIN
    is_first := false;
    SELECT p.tenant, p.group_name INTO v_tenant, v_group
    FROM queue_places AS p WHERE p.call_id = p_call;
    version := callctl_lock_queue_v1(v_tenant, v_group);
    SELECT p.* INTO v_mine FROM queue_places AS p
    WHERE
        p.call_id = p_call
        AND (p.state <> 'ringing' OR p.switch = p_switch)
        AND NOT EXISTS (
            SELECT FROM queue_places AS a
            WHERE
                a.tenant = p.tenant
                AND a.group_name = p.group_name
                AND a.state <> 'ringing'
                AND a.until > clock_timestamp()
                AND a.line_ids && p_lines
                AND (NOT a.is_vip, a.entered_at, a.call_id)
                < (NOT p.is_vip, p.entered_at, p.call_id)
        );
    IF NOT FOUND THEN
        RETURN NEXT;
        RETURN;
    END IF;
    IF p_capacities IS NOT NULL THEN
        SELECT w.line_id INTO line_id
        FROM unnest(p_lines, p_capacities) WITH ORDINALITY AS w (line_id, capacity, place)
        WHERE (
            SELECT count(*) FROM line_seats AS seat
            WHERE
                seat.line_id = w.line_id
                AND seat.call_id <> p_seat_call
                AND seat.until > clock_timestamp()
        ) < w.capacity
        ORDER BY w.place
        LIMIT 1;
        IF line_id IS NULL OR callctl_take_seat_v1(
            line_id,
            p_seat_call,
            p_capacities[array_position(p_lines, line_id)],
            p_switch,
            p_seat_seconds
        ) IS FALSE THEN
            line_id := NULL;
            RETURN NEXT;
            RETURN;
        END IF;
    END IF;
    UPDATE queue_places AS p SET
        state = 'ringing',
        switch = p_switch,
        until = clock_timestamp() + make_interval(secs => p_lease_seconds)
    WHERE p.call_id = p_call;
    PERFORM callctl_tell_queue_v1(p_switch, v_tenant, v_group);
    is_first := true;
    RETURN NEXT;
END $$;

-- Calls that leave their queues, and others that were rung for in vain and wait again.
CREATE FUNCTION callctl_leave_queues_v1(p_leave uuid [], p_release uuid [], p_switch text)
RETURNS TABLE (tenant text, group_name text, version bigint) LANGUAGE plpgsql AS $$
BEGIN
    FOR tenant, group_name IN
        SELECT DISTINCT p.tenant, p.group_name FROM queue_places AS p
        WHERE p.call_id = ANY (p_leave || p_release)
        ORDER BY 1, 2
    LOOP
        version := callctl_lock_queue_v1(tenant, group_name);
        UPDATE queue_places AS p SET
            state = CASE WHEN p.callback_until IS NULL THEN 'waiting' ELSE 'callback' END,
            until = coalesce(p.callback_until, p.until)
        WHERE
            p.call_id = ANY (p_release)
            AND p.tenant = callctl_leave_queues_v1.tenant
            AND p.group_name = callctl_leave_queues_v1.group_name
            AND p.state = 'ringing';
        DELETE FROM queue_places AS p
        WHERE
            p.call_id = ANY (p_leave)
            AND p.tenant = callctl_leave_queues_v1.tenant
            AND p.group_name = callctl_leave_queues_v1.group_name;
        PERFORM callctl_tell_queue_v1(p_switch, tenant, group_name);
        RETURN NEXT;
    END LOOP;
END $$;

-- Places whose lease has run out are removed; one that was called back goes back to its order.
CREATE FUNCTION callctl_sweep_queues_v1()
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_queue record;
BEGIN
    FOR v_queue IN
        SELECT DISTINCT p.tenant, p.group_name FROM queue_places AS p
        WHERE p.until <= clock_timestamp()
        ORDER BY 1, 2
    LOOP
        PERFORM callctl_lock_queue_v1(v_queue.tenant, v_queue.group_name);
        UPDATE queue_places AS p SET state = 'callback', until = p.callback_until
        WHERE
            p.tenant = v_queue.tenant
            AND p.group_name = v_queue.group_name
            AND p.until <= clock_timestamp()
            AND p.callback_until > clock_timestamp();
        DELETE FROM queue_places AS p
        WHERE
            p.tenant = v_queue.tenant
            AND p.group_name = v_queue.group_name
            AND p.until <= clock_timestamp();
        PERFORM callctl_tell_queue_v1('', v_queue.tenant, v_queue.group_name);
    END LOOP;
END $$;
