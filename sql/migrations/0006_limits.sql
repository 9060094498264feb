-- Limits (B22) are control accounts: what counts against one is reserved and settled on it in the
-- ledger like money, up to its cap. The cap may be set below what is used; then nothing is left.
CREATE FUNCTION callctl_open_limit_v1(p_name text, p_currency text, p_cap_micros bigint)
RETURNS TABLE (id bigint, usage_id bigint) LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO accounts (name, kind, currency)
    VALUES ('usage:' || p_currency, 'usage', p_currency)
    ON CONFLICT (name) DO NOTHING;

    INSERT INTO accounts (name, kind, currency, credit_limit_micros)
    VALUES (p_name, 'limit', p_currency, p_cap_micros)
    ON CONFLICT (name) DO UPDATE SET credit_limit_micros = excluded.credit_limit_micros;

    RETURN QUERY
    SELECT l.id, u.id
    FROM accounts AS l
    INNER JOIN accounts AS u ON u.name = 'usage:' || p_currency
    WHERE l.name = p_name;
END $$;
