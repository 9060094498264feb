-- What callctl wrote of these calls ($1: SIP Call-IDs), and how the account ($2) stands.
SELECT
    ours.cdrs,
    ours.answered,
    ours.legs,
    ours.cost_micros,
    debits.debited_micros,
    debits.debits,
    account.balance_micros,
    account.held_micros,
    account.open_reservations,
    (SELECT count(*) FROM live_calls) AS live_calls,
    (SELECT count(*) FROM cdrs) AS all_cdrs,
    (SELECT coalesce(sum(c.cost_micros), 0)::bigint FROM cdrs AS c) AS all_cost_micros,
    (
        SELECT coalesce(sum(t.amount_micros), 0)::bigint
        FROM transfers AS t
        WHERE t.from_account_id = account.id
    ) AS all_debited_micros
FROM accounts AS account
CROSS JOIN LATERAL (
    SELECT
        count(*) AS cdrs,
        count(*) FILTER (WHERE c.disposition = 'answered') AS answered,
        coalesce(sum(c.cost_micros), 0)::bigint AS cost_micros,
        (
            SELECT count(*)
            FROM cdr_legs AS l
            INNER JOIN cdrs AS x ON x.call_id = l.call_id
            WHERE x.sip_call_id = ANY ($1::text [])
        ) AS legs
    FROM cdrs AS c
    WHERE c.sip_call_id = ANY ($1::text [])
) AS ours
CROSS JOIN LATERAL (
    SELECT
        coalesce(sum(t.amount_micros), 0)::bigint AS debited_micros,
        count(*) FILTER (WHERE t.amount_micros > 0) AS debits
    FROM transfers AS t
    INNER JOIN reservations AS r ON r.id = t.reservation_id
    INNER JOIN cdr_legs AS l ON l.leg_id = r.leg_id
    INNER JOIN cdrs AS c ON c.call_id = l.call_id
    WHERE c.sip_call_id = ANY ($1::text [])
) AS debits
WHERE account.name = $2;
