"""PostgreSQL, the memory: the server of our own, the pool, migrations, queries, group commit.

Everything above that reads or writes rows comes through here; no other package imports asyncpg.
"""
