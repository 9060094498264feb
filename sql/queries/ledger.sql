-- name: apply_requests
-- One answer for each request, in their order; see sql/migrations/0002_ledger_apply.sql.
SELECT outcome, balance_micros, available_micros, open_reservations
FROM callctl_ledger_apply_v1(
    :steps::integer [],
    :ids::uuid [],
    :kinds::text [],
    :reservations::uuid [],
    :legs::uuid [],
    :payers::bigint [],
    :payees::bigint [],
    :amounts::bigint [],
    :holds::bigint [],
    :memos::text []
);

-- name: read_standing^
-- What an account could spend now, and how many reservations share it.
SELECT
    balance_micros,
    balance_micros + credit_limit_micros - held_micros AS available_micros,
    open_reservations
FROM accounts
WHERE id = :account_id;

-- name: find_account^
SELECT id, kind, currency
FROM accounts
WHERE name = :name;

-- name: find_clearing_account^
SELECT id
FROM accounts
WHERE name = 'clearing:' || :currency;

-- name: find_reservation^
SELECT held_micros, posted_micros, closed_at IS NULL AS is_open
FROM reservations
WHERE id = :reservation_id;
