-- name: apply_requests
-- One answer for each request, in their order; see sql/migrations/0002_ledger_apply.sql and
-- 0016_lease_beats.sql.
SELECT outcome, balance_micros, available_micros, open_reservations, held_micros
FROM callctl_ledger_apply_v3(
    :asterisk,
    :epoch::bigint,
    :steps::integer [],
    :ids::uuid [],
    :kinds::text [],
    :reservations::uuid [],
    :legs::uuid [],
    :payers::bigint [],
    :payees::bigint [],
    :amounts::bigint [],
    :holds::bigint [],
    :memos::text [],
    :expires::integer []
);

-- name: find_locked_accounts
-- Which of these accounts another transaction has locked at this moment; waits for none.
WITH free AS (
    SELECT id
    FROM accounts
    WHERE id = ANY(:accounts::bigint [])
    FOR NO KEY UPDATE SKIP LOCKED
)
SELECT a.id
FROM accounts AS a
WHERE a.id = ANY(:accounts::bigint []) AND NOT EXISTS (SELECT FROM free AS f WHERE f.id = a.id);

-- name: read_standing^
-- What an account could spend now, and how many reservations share it.
SELECT
    balance_micros,
    balance_micros + credit_limit_micros - held_micros AS available_micros,
    open_reservations,
    held_micros
FROM accounts
WHERE id = :account_id;

-- name: find_account^
SELECT id, kind, currency
FROM accounts
WHERE name = :name;

-- name: open_clearing_account^
-- The account of a payment source, opened if it is not there yet.
WITH opened AS (
    INSERT INTO accounts (name, kind, currency) VALUES (:name, 'clearing', :currency)
    ON CONFLICT (name) DO NOTHING
    RETURNING id
)
SELECT id FROM opened
UNION ALL
SELECT id FROM accounts WHERE name = :name
LIMIT 1;

-- name: find_reservations
-- Some reservations, each with how its account stands.
SELECT
    r.id,
    r.held_micros,
    r.posted_micros,
    r.state = 'open' AS is_open,
    a.balance_micros,
    a.balance_micros + a.credit_limit_micros - a.held_micros AS available_micros,
    a.open_reservations,
    a.held_micros AS account_held_micros
FROM reservations AS r
INNER JOIN accounts AS a ON a.id = r.account_id
WHERE r.id = ANY(:ids::uuid []);

-- name: find_overdue_reservations
-- The longest overdue first.
SELECT id, account_id, payee_account_id
FROM reservations
WHERE state = 'open' AND expires_at <= clock_timestamp()
ORDER BY expires_at
LIMIT :limit;
