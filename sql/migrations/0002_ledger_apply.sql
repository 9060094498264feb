-- The teller's one statement: many requests in, one answer each out, in one commit.
--
-- Requests with one step number stand or fall together. Each has:
--   id           made by the caller; the same id and content gets the first answer again
--   kind         reserve | renew | settle (on a reservation), or opening | topup | refund | fee
--   amount       money to move now from payer to payee; on a reservation, out of what it holds
--   hold         what the reservation shall hold afterwards (reserve, renew); 0 for settle
-- Answers: granted | short (renew: the amount was posted, no more money could be held) |
--   denied (not enough available) | mismatch | unknown_account | unknown_reservation |
--   exceeds_reservation | step_refused (a neighbour in the same step was refused).
-- The accounts are locked in the order of their ids, so no mix of callers can deadlock; the
-- decisions are taken in memory, request by request; then all is written set by set.
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
    p_memo text []
) RETURNS TABLE (
    outcome text,
    balance_micros bigint,
    available_micros bigint,
    open_reservations integer
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    n CONSTANT integer := coalesce(array_length(p_id, 1), 0);
    -- accounts, by index
    acc_id bigint[]; acc_balance bigint[]; acc_held bigint[]; acc_limit bigint[];
    acc_open integer[]; acc_limited boolean[];
    -- reservations, by index; state 0 new, 1 open, 2 closed
    res_id uuid[]; res_account bigint[]; res_leg uuid[]; res_held bigint[]; res_posted bigint[];
    res_state integer[];
    -- per request
    from_ix integer[]; to_ix integer[]; res_ix integer[]; seen text[];
    out_outcome text[] := array_fill(''::text, ARRAY[greatest(n, 1)]);
    out_change bigint[] := array_fill(0::bigint, ARRAY[greatest(n, 1)]);
    out_from_balance bigint[] := array_fill(0::bigint, ARRAY[greatest(n, 1)]);
    out_to_balance bigint[] := array_fill(0::bigint, ARRAY[greatest(n, 1)]);
    first integer := 1; last integer; i integer; f integer; t integer; r integer;
    change bigint; refused boolean; why text; pass integer;
BEGIN
    IF n = 0 THEN RETURN; END IF;

    WITH locked AS MATERIALIZED (
        SELECT a.*
        FROM accounts AS a
        WHERE a.id = ANY (p_from || p_to)
        ORDER BY a.id
        FOR NO KEY UPDATE
    )
    SELECT
        array_agg(l.id ORDER BY l.id), array_agg(l.balance_micros ORDER BY l.id),
        array_agg(l.held_micros ORDER BY l.id), array_agg(l.credit_limit_micros ORDER BY l.id),
        array_agg(l.open_reservations ORDER BY l.id),
        array_agg(l.kind = 'prepaid' ORDER BY l.id)
    INTO acc_id, acc_balance, acc_held, acc_limit, acc_open, acc_limited
    FROM locked AS l;

    -- A new statement, so a new snapshot: what the lock waited for is seen here.
    WITH wanted AS (
        SELECT DISTINCT ON (w.id) w.id, w.leg, w.payer
        FROM unnest(p_reservation, p_leg, p_from) AS w (id, leg, payer)
        WHERE w.id IS NOT NULL
    )
    SELECT
        array_agg(w.id ORDER BY w.id), array_agg(coalesce(s.account_id, w.payer) ORDER BY w.id),
        array_agg(coalesce(s.leg_id, w.leg) ORDER BY w.id),
        array_agg(coalesce(s.held_micros, 0) ORDER BY w.id),
        array_agg(coalesce(s.posted_micros, 0) ORDER BY w.id),
        array_agg(
            CASE WHEN s.id IS NULL THEN 0 WHEN s.closed_at IS NULL THEN 1 ELSE 2 END
            ORDER BY w.id
        )
    INTO res_id, res_account, res_leg, res_held, res_posted, res_state
    FROM wanted AS w
    LEFT JOIN reservations AS s ON s.id = w.id;

    WITH accounts_ix AS (
        SELECT x.id, x.ix FROM unnest(acc_id) WITH ORDINALITY AS x (id, ix)
    ), reservations_ix AS (
        SELECT x.id, x.ix FROM unnest(res_id) WITH ORDINALITY AS x (id, ix)
    ), requests AS (
        SELECT q.*, row_number() OVER (PARTITION BY q.id ORDER BY q.ix) AS nth
        FROM unnest(p_id, p_kind, p_reservation, p_from, p_to, p_amount, p_hold)
            WITH ORDINALITY AS q (id, kind, reservation, payer, payee, amount, hold, ix)
    )
    SELECT
        array_agg(fx.ix ORDER BY q.ix), array_agg(tx.ix ORDER BY q.ix),
        array_agg(rx.ix ORDER BY q.ix),
        array_agg(
            CASE
                WHEN h.id IS NOT NULL AND (
                    h.kind, h.from_account_id, h.to_account_id, h.amount_micros,
                    h.hold_wanted_micros, h.reservation_id
                ) IS NOT DISTINCT FROM (
                    q.kind, q.payer, q.payee, q.amount, q.hold, q.reservation
                ) THEN CASE
                    WHEN h.kind = 'renew' AND h.is_short THEN 'short' ELSE 'granted'
                END
                WHEN h.id IS NOT NULL OR q.nth > 1 THEN 'mismatch'
            END
            ORDER BY q.ix
        )
    INTO from_ix, to_ix, res_ix, seen
    FROM requests AS q
    LEFT JOIN accounts_ix AS fx ON fx.id = q.payer
    LEFT JOIN accounts_ix AS tx ON tx.id = q.payee
    LEFT JOIN reservations_ix AS rx ON rx.id = q.reservation
    LEFT JOIN transfers AS h ON h.id = q.id;

    WHILE first <= n LOOP
        last := first;
        WHILE last < n AND p_step[last + 1] = p_step[first] LOOP last := last + 1; END LOOP;

        -- Pass 1 as asked; pass 2, for renewals only, posts what was used and holds no more.
        FOR pass IN 1..2 LOOP
            refused := false;
            FOR i IN first..last LOOP
                f := from_ix[i]; t := to_ix[i]; r := res_ix[i]; change := 0; why := NULL;
                IF seen[i] IS NOT NULL THEN
                    out_outcome[i] := seen[i];
                    IF seen[i] = 'mismatch' THEN refused := true; END IF;
                    CONTINUE;
                ELSIF f IS NULL OR t IS NULL THEN
                    why := 'unknown_account';
                ELSIF p_kind[i] = 'reserve' THEN
                    change := p_hold[i];
                    IF r IS NULL OR res_state[r] <> 0 THEN why := 'mismatch'; END IF;
                ELSIF p_kind[i] IN ('renew', 'settle') THEN
                    IF r IS NULL OR res_state[r] <> 1 OR res_account[r] <> p_from[i] THEN
                        why := 'unknown_reservation';
                    ELSIF p_amount[i] > res_held[r] THEN
                        why := 'exceeds_reservation';
                    ELSIF p_kind[i] = 'settle' THEN
                        change := -res_held[r];
                    ELSIF pass = 2 THEN
                        change := -p_amount[i];
                    ELSE
                        change := p_hold[i] - res_held[r];
                    END IF;
                END IF;
                IF why IS NULL AND acc_limited[f] AND change + p_amount[i] > 0
                    AND acc_balance[f] + acc_limit[f] - acc_held[f] < change + p_amount[i]
                THEN
                    why := 'denied';
                END IF;
                IF why IS NOT NULL THEN
                    out_outcome[i] := why; refused := true;
                    CONTINUE;
                END IF;
                acc_balance[f] := acc_balance[f] - p_amount[i];
                acc_balance[t] := acc_balance[t] + p_amount[i];
                acc_held[f] := acc_held[f] + change;
                IF r IS NOT NULL THEN
                    res_held[r] := res_held[r] + change;
                    res_posted[r] := res_posted[r] + p_amount[i];
                    IF p_kind[i] = 'reserve' THEN
                        res_state[r] := 1; acc_open[f] := acc_open[f] + 1;
                    ELSIF p_kind[i] = 'settle' THEN
                        res_state[r] := 2; acc_open[f] := acc_open[f] - 1;
                    END IF;
                END IF;
                out_change[i] := change;
                out_from_balance[i] := acc_balance[f];
                out_to_balance[i] := acc_balance[t];
                out_outcome[i] := CASE WHEN pass = 1 THEN 'applied' ELSE 'applied_short' END;
            END LOOP;
            EXIT WHEN NOT refused;

            -- One of the step was refused: take back the others, newest first.
            FOR i IN REVERSE last..first LOOP
                CONTINUE WHEN out_outcome[i] NOT IN ('applied', 'applied_short');
                f := from_ix[i]; t := to_ix[i]; r := res_ix[i];
                acc_balance[f] := acc_balance[f] + p_amount[i];
                acc_balance[t] := acc_balance[t] - p_amount[i];
                acc_held[f] := acc_held[f] - out_change[i];
                IF r IS NOT NULL THEN
                    res_held[r] := res_held[r] - out_change[i];
                    res_posted[r] := res_posted[r] - p_amount[i];
                    IF p_kind[i] = 'reserve' THEN
                        res_state[r] := 0; acc_open[f] := acc_open[f] - 1;
                    ELSIF p_kind[i] = 'settle' THEN
                        res_state[r] := 1; acc_open[f] := acc_open[f] + 1;
                    END IF;
                END IF;
                out_outcome[i] := 'step_refused';
            END LOOP;
            EXIT WHEN p_kind[first] <> 'renew' OR NOT out_outcome[first:last] && ARRAY['denied'];
        END LOOP;
        first := last + 1;
    END LOOP;

    INSERT INTO transfers (
        id, kind, from_account_id, to_account_id, amount_micros, reservation_id,
        hold_wanted_micros, hold_change_micros, is_short, from_balance_micros,
        to_balance_micros, memo
    )
    SELECT
        q.id, q.kind, q.payer, q.payee, q.amount, q.reservation, q.hold, q.change,
        q.outcome = 'applied_short', q.from_balance, q.to_balance, q.memo
    FROM unnest(
        p_id, p_kind, p_from, p_to, p_amount, p_reservation, p_hold, out_change,
        out_outcome, out_from_balance, out_to_balance, p_memo
    ) WITH ORDINALITY AS q (
        id, kind, payer, payee, amount, reservation, hold, change, outcome, from_balance,
        to_balance, memo, ix
    )
    WHERE q.outcome IN ('applied', 'applied_short')
    ORDER BY q.ix;

    IF FOUND THEN
        UPDATE accounts AS a
        SET balance_micros = x.balance, held_micros = x.held, open_reservations = x.open
        FROM unnest(acc_id, acc_balance, acc_held, acc_open) AS x (id, balance, held, open)
        WHERE a.id = x.id
            AND (a.balance_micros, a.held_micros, a.open_reservations)
            IS DISTINCT FROM (x.balance, x.held, x.open);

        INSERT INTO reservations AS s (
            id, account_id, leg_id, held_micros, posted_micros, closed_at
        )
        SELECT
            x.id, x.account, x.leg, x.held, x.posted,
            CASE WHEN x.state = 2 THEN now() END
        FROM unnest(res_id, res_account, res_leg, res_held, res_posted, res_state) AS x (
            id, account, leg, held, posted, state
        )
        WHERE x.state > 0
        ON CONFLICT (id) DO UPDATE SET
            held_micros = excluded.held_micros,
            posted_micros = excluded.posted_micros,
            closed_at = coalesce(s.closed_at, excluded.closed_at)
        WHERE s.closed_at IS NULL;
    END IF;

    RETURN QUERY
    SELECT
        CASE q.outcome
            WHEN 'applied' THEN 'granted' WHEN 'applied_short' THEN 'short' ELSE q.outcome
        END,
        acc_balance[q.f],
        acc_balance[q.f] + acc_limit[q.f] - acc_held[q.f],
        acc_open[q.f]
    FROM unnest(out_outcome, from_ix) WITH ORDINALITY AS q (outcome, f, ix)
    ORDER BY q.ix;
END $$;
