-- The teller's one statement: many requests in, one answer each out, in one commit.
--
-- Requests with one step number stand next to each other, and stand or fall together. Each has:
--   id           made by the caller; the same id and content gets the first answer again (one id
--                twice in one call is a unique_violation)
--   kind         reserve | renew | settle | expire (on a reservation), or opening | topup |
--                refund | fee
--   amount       money to move now from payer to payee; on a reservation, out of what it holds
--   hold         what the reservation shall hold afterwards (reserve, renew); 0 for the others
--   expires      seconds until the reservation is overdue (reserve, renew); 0 for never
-- Answers: granted | short (renew: the amount was posted, no more money could be held) |
--   denied (not enough available) | not_due (expire: not overdue, or not any more) | mismatch |
--   unknown_account | unknown_reservation | reservation_expired | exceeds_reservation |
--   malformed | step_refused (a neighbour in the same step was refused).
-- A reservation that has expired holds nothing and can't be renewed. A settlement that comes after
-- that takes its amount from what is available, or is denied.
--
-- The accounts are locked in the order of their ids, so no mix of callers can deadlock; the
-- decisions are taken in memory, request by request; then all is written set by set. Accounts are
-- addressed by their place in the sorted acc_... arrays, reservations by the first request that
-- names them. A row that another transaction keeps locked ends the statement after lock_timeout:
-- nothing is done then. The planner is told to look rows up one by one: its plan is kept while
-- the tables grow from nothing.
CREATE FUNCTION callctl_ledger_apply_v1(
    p_step integer [],
    p_id uuid [],
    p_kind text [],
    p_reservation uuid [],
    p_leg uuid [],
    p_from bigint [],
    p_to bigint [],
    p_amount bigint [],
    p_hold bigint [],
    p_memo text [],
    p_expires integer [] DEFAULT NULL
) RETURNS TABLE (
    outcome text,
    balance_micros bigint,
    available_micros bigint,
    open_reservations integer,
    held_micros bigint
) LANGUAGE plpgsql
SET lock_timeout = '250ms'
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    n CONSTANT integer := coalesce(array_length(p_id, 1), 0);
    expires CONSTANT integer[] := coalesce(p_expires, array_fill(0, ARRAY[greatest(n, 1)]));
    -- accounts; places are the rows' ctids, which can't change while we hold the locks
    acc_id bigint[]; acc_place tid[]; acc_balance bigint[]; acc_held bigint[]; acc_limit bigint[];
    acc_open integer[]; acc_limited boolean[]; last_moved_at timestamptz;
    -- reservations; state 0 new, 1 open, 2 settled, 3 expired; maker: the request that made it, or
    -- the first that changed it; 0 while none did
    res_ix integer[]; res_place tid[]; res_account bigint[]; res_held bigint[]; res_posted bigint[];
    res_expires timestamptz[]; res_state integer[]; res_was integer[]; res_maker integer[];
    -- requests; seen: what is known of a request before any money is looked at
    from_ix integer[]; to_ix integer[]; seen text[];
    out_outcome text[] := array_fill(''::text, ARRAY[greatest(n, 1)]);
    out_change bigint[] := array_fill(0::bigint, ARRAY[greatest(n, 1)]);
    out_open integer[] := array_fill(0, ARRAY[greatest(n, 1)]);
    out_state integer[] := array_fill(0, ARRAY[greatest(n, 1)]);
    out_expires timestamptz[] := array_fill(NULL::timestamptz, ARRAY[greatest(n, 1)]);
    out_from_balance bigint[] := array_fill(0::bigint, ARRAY[greatest(n, 1)]);
    out_to_balance bigint[] := array_fill(0::bigint, ARRAY[greatest(n, 1)]);
    first integer := 1; last integer; i integer; f integer; t integer; r integer;
    kind text; amount bigint; change bigint; opened integer; refused boolean; applied boolean;
    ids_repeat boolean; reservations_repeat boolean;
    why text; pass integer; changed integer := 0; written integer; rewritten integer;
    asked_at timestamptz; written_at timestamptz;
BEGIN
    IF n = 0 THEN RETURN; END IF;

    SELECT
        array_agg(l.id), array_agg(l.ctid), array_agg(l.balance_micros), array_agg(l.held_micros),
        array_agg(l.credit_limit_micros), array_agg(l.open_reservations),
        array_agg(l.kind IN ('prepaid', 'reseller', 'limit')), max(l.moved_at)
    INTO acc_id, acc_place, acc_balance, acc_held, acc_limit, acc_open, acc_limited, last_moved_at
    FROM (
        SELECT
            a.id, a.ctid, a.kind, a.balance_micros, a.held_micros, a.credit_limit_micros,
            a.open_reservations, a.moved_at
        FROM accounts AS a
        WHERE a.id = ANY (p_from || p_to)
        ORDER BY a.id
        FOR NO KEY UPDATE
    ) AS l;

    -- Asked with the locks in hand: in every account the moments rise with the positions, even
    -- when the clock is put back.
    asked_at := clock_timestamp();
    written_at := greatest(asked_at, last_moved_at);

    -- A new statement, so a new snapshot: what the locks waited for is seen here.
    SELECT
        array_agg(q.from_ix), array_agg(q.to_ix), array_agg(q.res_ix), array_agg(q.seen),
        array_agg(q.ctid), array_agg(q.account_id), array_agg(q.held), array_agg(q.posted),
        array_agg(q.expires_at), array_agg(q.state)
    INTO from_ix, to_ix, res_ix, seen, res_place, res_account, res_held, res_posted, res_expires, res_state
    FROM (
        SELECT
            width_bucket(p_from[g.i], acc_id) AS from_ix,
            width_bucket(p_to[g.i], acc_id) AS to_ix,
            CASE
                WHEN p_kind[g.i] IN ('reserve', 'renew', 'settle', 'expire') THEN g.i
            END AS res_ix,
            CASE
                WHEN h.id IS NULL THEN CASE
                    WHEN
                        p_amount[g.i] < 0 OR p_hold[g.i] < 0 OR expires[g.i] < 0
                        OR p_from[g.i] = p_to[g.i]
                        OR CASE p_kind[g.i]
                            WHEN 'reserve' THEN
                                p_reservation[g.i] IS NULL OR p_leg[g.i] IS NULL
                            WHEN 'renew' THEN p_reservation[g.i] IS NULL
                            WHEN 'settle' THEN p_reservation[g.i] IS NULL OR p_hold[g.i] > 0
                            WHEN 'expire' THEN
                                p_reservation[g.i] IS NULL OR p_hold[g.i] + p_amount[g.i] > 0
                            ELSE
                                p_kind[g.i] NOT IN ('opening', 'topup', 'refund', 'fee')
                                OR p_hold[g.i] > 0
                        END
                        THEN 'malformed'
                END
                WHEN
                    h.kind = p_kind[g.i] AND h.from_account_id = p_from[g.i]
                    AND h.to_account_id = p_to[g.i] AND h.amount_micros = p_amount[g.i]
                    AND h.hold_wanted_micros = p_hold[g.i] AND h.expires_seconds = expires[g.i]
                    AND h.reservation_id IS NOT DISTINCT FROM p_reservation[g.i]
                    THEN CASE WHEN h.is_short THEN 'short' ELSE 'granted' END
                ELSE 'mismatch'
            END AS seen,
            s.ctid, s.account_id, coalesce(s.held_micros, 0) AS held,
            coalesce(s.posted_micros, 0) AS posted, s.expires_at,
            CASE s.state WHEN 'open' THEN 1 WHEN 'settled' THEN 2 WHEN 'expired' THEN 3 ELSE 0 END
                AS state
        FROM generate_series(1, n) AS g (i)
        LEFT JOIN LATERAL (
            SELECT
                x.id, x.kind, x.from_account_id, x.to_account_id, x.amount_micros,
                x.hold_wanted_micros, x.expires_seconds, x.reservation_id, x.is_short
            FROM transfers AS x
            WHERE x.id = p_id[g.i]
            OFFSET 0
        ) AS h ON TRUE
        LEFT JOIN LATERAL (
            SELECT x.ctid, x.account_id, x.held_micros, x.posted_micros, x.expires_at, x.state
            FROM reservations AS x
            WHERE x.id = p_reservation[g.i]
            OFFSET 0
        ) AS s ON TRUE
    ) AS q;
    res_was := res_state;
    res_maker := array_fill(0, ARRAY[n]);

    SELECT count(DISTINCT x.id) < count(x.id), count(DISTINCT x.name) < count(x.name)
    INTO ids_repeat, reservations_repeat
    FROM unnest(p_id, p_reservation) AS x (id, name);
    IF ids_repeat THEN
        RAISE EXCEPTION 'one id twice: send it again by itself' USING ERRCODE = 'unique_violation';
    END IF;
    IF reservations_repeat THEN
        SELECT array_agg(q.ix ORDER BY q.nth)
        INTO res_ix
        FROM (
            SELECT
                w.nth,
                CASE WHEN w.ix IS NOT NULL THEN
                    min(w.ix) OVER (PARTITION BY w.reservation, w.ix IS NULL)
                END AS ix
            FROM unnest(p_reservation, res_ix) WITH ORDINALITY AS w (reservation, ix, nth)
        ) AS q;
    END IF;

    WHILE first <= n LOOP
        last := first;
        WHILE last < n AND p_step[last + 1] = p_step[first] LOOP last := last + 1; END LOOP;

        -- Pass 1 as asked; pass 2, for renewals only, posts what was used and holds no more.
        FOR pass IN 1..2 LOOP
            refused := false; applied := false;
            FOR i IN first..last LOOP
                IF seen[i] IS NOT NULL THEN
                    out_outcome[i] := seen[i];
                    refused := refused OR seen[i] IN ('mismatch', 'malformed');
                    CONTINUE;
                END IF;
                f := from_ix[i]; t := to_ix[i]; r := res_ix[i]; kind := p_kind[i];
                amount := p_amount[i]; change := 0; opened := 0; why := NULL;
                IF acc_id[f] IS DISTINCT FROM p_from[i] OR acc_id[t] IS DISTINCT FROM p_to[i] THEN
                    why := 'unknown_account';
                ELSIF kind = 'reserve' THEN
                    change := p_hold[i]; opened := 1;
                    IF res_state[r] <> 0 THEN why := 'mismatch'; END IF;
                ELSIF r IS NOT NULL THEN
                    IF res_state[r] IN (0, 2) OR res_account[r] <> p_from[i] THEN
                        why := 'unknown_reservation';
                    ELSIF res_state[r] = 3 THEN
                        IF kind <> 'settle' THEN why := 'reservation_expired'; END IF;
                    ELSIF amount > res_held[r] THEN
                        why := 'exceeds_reservation';
                    ELSIF kind = 'renew' THEN
                        change := CASE pass WHEN 1 THEN p_hold[i] - res_held[r] ELSE -amount END;
                    ELSE
                        change := -res_held[r]; opened := -1;
                        IF kind = 'expire' AND (res_expires[r] <= asked_at) IS NOT TRUE THEN
                            why := 'not_due';
                        END IF;
                    END IF;
                END IF;
                IF why IS NULL AND acc_limited[f] AND change + amount > 0
                    AND acc_balance[f] + acc_limit[f] - acc_held[f] < change + amount
                THEN
                    why := 'denied';
                END IF;
                IF why IS NOT NULL THEN
                    out_outcome[i] := why; refused := true;
                    CONTINUE;
                END IF;
                acc_balance[f] := acc_balance[f] - amount;
                acc_balance[t] := acc_balance[t] + amount;
                acc_held[f] := acc_held[f] + change;
                acc_open[f] := acc_open[f] + opened;
                IF r IS NOT NULL THEN
                    out_state[i] := res_state[r]; out_expires[i] := res_expires[r];
                    res_held[r] := res_held[r] + change;
                    res_posted[r] := res_posted[r] + amount;
                    IF kind = 'settle' THEN
                        res_state[r] := 2;
                    ELSIF kind = 'expire' THEN
                        res_state[r] := 3;
                    ELSIF pass = 1 THEN
                        res_expires[r] := CASE
                            WHEN expires[i] > 0 THEN asked_at + make_interval(secs => expires[i])
                        END;
                        IF kind = 'reserve' THEN
                            res_state[r] := 1; res_account[r] := p_from[i]; res_maker[r] := i;
                        END IF;
                    END IF;
                    IF res_maker[r] = 0 THEN res_maker[r] := i; changed := changed + 1; END IF;
                END IF;
                out_change[i] := change; out_open[i] := opened;
                out_from_balance[i] := acc_balance[f]; out_to_balance[i] := acc_balance[t];
                out_outcome[i] := CASE pass WHEN 1 THEN 'applied' ELSE 'applied_short' END;
                applied := true;
            END LOOP;
            EXIT WHEN NOT refused;

            -- One of the step was refused: take back the others, newest first.
            FOR i IN REVERSE last..first LOOP
                EXIT WHEN NOT applied;
                CONTINUE WHEN out_outcome[i] NOT IN ('applied', 'applied_short');
                f := from_ix[i]; t := to_ix[i]; r := res_ix[i];
                acc_balance[f] := acc_balance[f] + p_amount[i];
                acc_balance[t] := acc_balance[t] - p_amount[i];
                acc_held[f] := acc_held[f] - out_change[i];
                acc_open[f] := acc_open[f] - out_open[i];
                IF r IS NOT NULL THEN
                    res_held[r] := res_held[r] - out_change[i];
                    res_posted[r] := res_posted[r] - p_amount[i];
                    res_state[r] := out_state[i]; res_expires[r] := out_expires[i];
                END IF;
                out_outcome[i] := 'step_refused';
            END LOOP;
            EXIT WHEN NOT (
                p_kind[first:last] <@ ARRAY['renew'] AND out_outcome[first:last] && ARRAY['denied']
            );
        END LOOP;
        first := last + 1;
    END LOOP;

    INSERT INTO transfers (
        id, kind, from_account_id, to_account_id, amount_micros, reservation_id,
        hold_wanted_micros, expires_seconds, hold_change_micros, open_change, is_short,
        from_balance_micros, to_balance_micros, memo, created_at
    )
    SELECT
        p_id[g.i], p_kind[g.i], p_from[g.i], p_to[g.i], p_amount[g.i], p_reservation[g.i],
        p_hold[g.i], expires[g.i], out_change[g.i], out_open[g.i],
        out_outcome[g.i] = 'applied_short', out_from_balance[g.i], out_to_balance[g.i],
        p_memo[g.i], written_at
    FROM generate_series(1, n) AS g (i)
    WHERE out_outcome[g.i] IN ('applied', 'applied_short');

    IF FOUND THEN
        UPDATE accounts AS a
        SET balance_micros = x.balance, held_micros = x.held, open_reservations = x.opened,
            moved_at = written_at
        FROM unnest(acc_place, acc_balance, acc_held, acc_open) AS x (place, balance, held, opened)
        WHERE a.ctid = x.place;
        GET DIAGNOSTICS written = ROW_COUNT;

        INSERT INTO reservations (
            id, account_id, payee_account_id, leg_id, held_micros, posted_micros, state,
            expires_at, opened_at, closed_at
        )
        SELECT
            p_reservation[g.i], p_from[m.i], p_to[m.i], p_leg[m.i], res_held[g.i],
            res_posted[g.i], (ARRAY['open', 'settled', 'expired'])[res_state[g.i]],
            res_expires[g.i], asked_at, CASE WHEN res_state[g.i] > 1 THEN asked_at END
        FROM generate_series(1, n) AS g (i)
        CROSS JOIN LATERAL (SELECT res_maker[g.i]) AS m (i)
        WHERE res_was[g.i] = 0 AND res_state[g.i] > 0;

        UPDATE reservations AS s
        SET held_micros = res_held[g.i], posted_micros = res_posted[g.i],
            expires_at = res_expires[g.i],
            state = (ARRAY['open', 'settled', 'expired'])[res_state[g.i]],
            closed_at = CASE WHEN res_state[g.i] > 1 THEN coalesce(s.closed_at, asked_at) END
        FROM generate_series(1, n) AS g (i)
        WHERE res_was[g.i] > 0 AND res_maker[g.i] > 0 AND s.ctid = res_place[g.i];
        GET DIAGNOSTICS rewritten = ROW_COUNT;
        IF written <> cardinality(acc_id) OR rewritten <> changed THEN
            RAISE EXCEPTION 'rows moved below the ledger''s locks' USING ERRCODE = '40001';
        END IF;
    END IF;

    RETURN QUERY
    SELECT
        CASE q.outcome
            WHEN 'applied' THEN 'granted' WHEN 'applied_short' THEN 'short' ELSE q.outcome
        END,
        acc_balance[q.f],
        acc_balance[q.f] + acc_limit[q.f] - acc_held[q.f],
        acc_open[q.f],
        acc_held[q.f]
    FROM unnest(out_outcome, from_ix) WITH ORDINALITY AS q (outcome, f, ix)
    ORDER BY q.ix;
END $$;
